//! The schema registry: Apicurio with a database in one file, serving the Confluent API.

use super::{Jvm, Layout};
use crate::spec::Probe;
use crate::{Ports, Result, Spec};

/// The registry's name; its port is called the same.
pub const NAME: &str = "registry";
const HEAP_MB: u32 = 256;

/// The registry's process.
///
/// # Errors
/// When its folder cannot be made.
pub fn spec(layout: &Layout) -> Result<Spec> {
    let database = layout.data_folder(NAME)?.join("registry");
    let url = url(&layout.ports);
    let spec = Spec::service(NAME, layout.parts.java(), Probe::Http(format!("{url}/subjects"))).at(&url);
    // It starts once and then mostly waits: compiling it thoroughly would only delay the others.
    let spec = spec.args(Jvm::Quick.options(HEAP_MB)).arg("-jar").arg(layout.parts.registry_jar());
    let spec = spec.env("QUARKUS_HTTP_HOST", "127.0.0.1").env("QUARKUS_HTTP_PORT", layout.ports.port(NAME));
    let spec = spec.env("QUARKUS_HTTP_ACCESS_LOG_ENABLED", false).env("APICURIO_STORAGE_KIND", "sql");
    // A registered schema is on disk before it is acknowledged, not half a second later.
    let database = format!("jdbc:h2:file:{};WRITE_DELAY=0", database.display());
    Ok(spec.env("APICURIO_DATASOURCE_URL", database))
}

/// The base of the Confluent API.
pub fn url(ports: &Ports) -> String {
    format!("http://{}/apis/ccompat/v7", ports.address(NAME))
}
