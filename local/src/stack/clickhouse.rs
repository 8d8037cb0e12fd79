//! The ClickHouse endpoint: the embedded engine behind ClickHouse's own HTTP interface, in a process of its own.

use super::Layout;
use crate::spec::Probe;
use crate::{Ports, Result, Spec};

/// The endpoint's name; its port is called the same.
pub const NAME: &str = "clickhouse";

/// The endpoint's process.
///
/// # Errors
/// When its folder cannot be made.
pub fn spec(layout: &Layout) -> Result<Spec> {
    let data = layout.data_folder(NAME)?;
    let url = url(&layout.ports);
    let spec = Spec::service(NAME, &layout.binary, Probe::Http(format!("{url}/ping"))).at(&url);
    let spec = spec.args(["engine", "--listen"]).arg(layout.ports.address(NAME).to_string());
    Ok(spec.arg("--data-dir").arg(data).arg("--library").arg(layout.parts.libchdb()))
}

/// The base of the HTTP interface.
pub fn url(ports: &Ports) -> String {
    format!("http://{}", ports.address(NAME))
}
