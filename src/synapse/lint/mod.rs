//! What is wrong between the files of a Synapse and a configuration of ours.

mod processes;
mod site;
mod workers;

use super::deployment::Deployment;
use super::remark::Remark;
use crate::config::Config;

/// Everything that is wrong, problems before warnings.
pub fn lint(deployment: &Deployment, config: &Config) -> Vec<Remark> {
    let mut remarks = processes::lint(deployment);
    let name = &deployment.server_name;
    match config.sites.iter().find(|site| *site.server_name == *name) {
        Some(site) => {
            remarks.extend(site::lint(deployment, site));
            remarks.extend(workers::lint(deployment, site));
            remarks.extend(site::taken_ports(deployment, config));
        }
        None => remarks.push(
            Remark::problem(format!(
                "Synapse is \"{name}\", and no site of the configuration is"
            ))
            .help("write that as `server_name`, or name the files of the other Synapse"),
        ),
    }
    remarks.sort_by_key(|remark| std::cmp::Reverse(remark.kind));
    remarks
}
