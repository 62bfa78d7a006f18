//! Whether the zoo has everything.

use std::path::Path;

use vestibule::federation::fault;

#[test]
fn every_fault_has_a_deployment_that_has_it() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/check");
    let files = std::fs::read_dir(folder).unwrap();
    let files = files.map(|file| file.unwrap().path());
    let sources = files.filter(|path| path.extension().is_some_and(|one| one == "rs"));
    let text: String = sources
        .map(|path| std::fs::read_to_string(path).unwrap())
        .collect();
    let is_missing = |id: &&str| !text.contains(&format!("\"{id}\""));
    let missing: Vec<_> = fault::all()
        .map(|fault| fault.id)
        .filter(is_missing)
        .collect();
    assert!(
        missing.is_empty(),
        "no test in tests/check finds {missing:?}"
    );
}
