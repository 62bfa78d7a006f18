//! The Debian package: what is in it, and that Debian installs and removes it.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::machine::{PROGRAM, find, in_repository, is_root, run, said, skip};

/// What has to be in it, beside a page for each command.
const CONTENTS: [&str; 9] = [
    "./usr/bin/vestibule",
    "./etc/vestibule/vestibule.toml",
    "./usr/lib/systemd/system/vestibule.service",
    "./usr/lib/systemd/system/vestibule.socket",
    "./usr/lib/tmpfiles.d/vestibule.conf",
    "./usr/share/bash-completion/completions/vestibule",
    "./usr/share/zsh/vendor-completions/_vestibule",
    "./usr/share/fish/vendor_completions.d/vestibule.fish",
    "./usr/share/man/man1/vestibule-config-check.1.gz",
];

/// Installs the package into a copy of this system that is gone afterwards, uses it, and removes it.
const INSTALL: &str = r#"
set -e
package=$1 folder=$2
mount -t tmpfs tmpfs "$folder"
mkdir "$folder/new" "$folder/work" "$folder/system"
mount -t overlay overlay -o "lowerdir=/,upperdir=$folder/new,workdir=$folder/work" "$folder/system"
for kernel in dev proc; do mount --rbind "/$kernel" "$folder/system/$kernel"; done
cp "$package" "$folder/system/vestibule.deb"
exec chroot "$folder/system" sh -e -c '
    dpkg --no-triggers --install /vestibule.deb
    dpkg --verify vestibule
    vestibule --version
    vestibule config check /etc/vestibule/vestibule.toml
    stat --format "%a %U" /etc/vestibule/credentials
    dpkg --no-triggers --purge vestibule
    test ! -e /etc/vestibule -a ! -e /usr/bin/vestibule
    echo gone'
"#;

/// The package of the program that is tested.
fn package(folder: &Path) -> Option<PathBuf> {
    find("dpkg-deb", "dpkg")?;
    find("dpkg-shlibdeps", "dpkg-dev")?;
    if !run("cargo", ["deb", "--version"]).status.success() {
        skip("missing: cargo-deb   cargo install cargo-deb --locked");
        return None;
    }
    let file = folder.join("vestibule.deb");
    let output = Command::new(in_repository("deploy/debian/package"))
        .args([Path::new(PROGRAM), &file])
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", said(&output));
    Some(file)
}

fn assert_has_everything(package: &Path) {
    let contents = said(&run("dpkg-deb", ["--contents".as_ref(), package]));
    let files: Vec<_> = contents
        .lines()
        .filter_map(|line| line.split_whitespace().last())
        .collect();
    for file in CONTENTS {
        assert!(files.contains(&file), "{file} is missing:\n{contents}");
    }
    // The service makes its state folder itself, as the user that it makes up.
    assert!(!contents.contains("./var/"), "{contents}");
    // Whoever edited the configuration keeps it.
    let asked = ["--info".as_ref(), package, "conffiles".as_ref()];
    assert_eq!(
        said(&run("dpkg-deb", asked)).trim(),
        "/etc/vestibule/vestibule.toml"
    );
}

#[test]
fn debian_takes_the_package_and_lets_it_go() {
    let folder = tempfile::tempdir().unwrap();
    let Some(package) = package(folder.path()) else {
        return;
    };
    assert_has_everything(&package);
    if !is_root() {
        return;
    }
    let system = tempfile::tempdir().unwrap();
    let install = ["--mount", "sh", "-c", INSTALL, "sh"].map(AsRef::<Path>::as_ref);
    let arguments = install.into_iter().chain([&*package, system.path()]);
    let output = run("unshare", arguments);
    let said = said(&output);
    assert!(
        output.status.success() && said.ends_with("gone\n"),
        "{said}"
    );
    let version = concat!("vestibule ", env!("CARGO_PKG_VERSION"), "\n");
    for expected in [version, "ok: 1 site (example.com)", "\n700 root\n"] {
        assert!(said.contains(expected), "{expected:?} is missing:\n{said}");
    }
}
