//! The projector: fills the live set, stands still while a rebuild asks for it, and goes over to another set when that becomes live.

use super::{
    ClickHouse, ClickHouseError, ClickHouseSink,
    definition::Definition,
    switches::{Switch, Writer},
    views,
};
use millrace_runtime::{
    RuntimeError,
    lifecycle::Shutdown,
    log::Log,
    sink::{self, SinkConfig},
};
use millrace_schemas::{rules::Rules, wire::Codec};
use std::{sync::Arc, time::Duration};

/// How often a projector looks which set is live.
const LOOK: Duration = Duration::from_millis(500);
/// How often it looks while it stands still, and readers wait.
const LOOK_PAUSED: Duration = Duration::from_millis(20);
/// How long it waits for a server that does not answer before it looks again.
const LOOK_AGAIN: Duration = Duration::from_secs(1);

/// Fills the live set until the shutdown.
///
/// # Errors
/// What needs an operator: tables that are not migrated, or a set that does not agree with its consumer group.
pub async fn follow(
    clickhouse: ClickHouse,
    codec: Arc<Codec>,
    rules: Rules,
    log: Log,
    config: SinkConfig,
    shutdown: Shutdown,
) -> Result<(), RuntimeError> {
    let follower = Follower { clickhouse, slot: config.slot };
    while !shutdown.is_cancelled() {
        let switch = follower.look().await?;
        let Some(switch) = switch else { continue };
        if switch.paused_for.is_some() {
            follower.stand_still(switch, &shutdown).await?;
            continue;
        }
        if !follower.take_up(switch).await? {
            continue;
        }
        let stop = shutdown.child_token();
        let sink = Arc::new(ClickHouseSink::new(follower.clickhouse.clone(), Arc::clone(&codec), rules, switch.live));
        let filling = sink::run(sink, log.clone(), config.clone(), stop.clone());
        let watching = async {
            follower.until_changed(switch, &stop).await;
            stop.cancel();
        };
        tokio::join!(watching_ends_with(filling, stop.clone()), watching).0?;
    }
    Ok(())
}

/// A sink that ends by itself ends what runs beside it.
async fn watching_ends_with<T>(filling: impl Future<Output = T>, stop: Shutdown) -> T {
    let ended = filling.await;
    stop.cancel();
    ended
}

struct Follower {
    clickhouse: ClickHouse,
    slot: u32,
}

impl Follower {
    /// What holds now; `None` after a while when the server does not answer.
    async fn look(&self) -> Result<Option<Switch>, RuntimeError> {
        self.passing("looking which set is live", self.clickhouse.switch().await).await
    }

    /// Makes the public names show the live set, and says that it is filled; false when that has to be done again.
    async fn take_up(&self, switch: Switch) -> Result<bool, RuntimeError> {
        let publish = async {
            views::publish(&self.clickhouse, &Definition::embedded(), switch.live, false).await?;
            self.clickhouse.report_writer(switch.revision, self.slot, Writer::Writing).await
        };
        let done = self.passing("publishing the live set", publish.await).await?.is_some();
        if done {
            tracing::info!(set = %switch.live, slot = self.slot, "filling");
        }
        Ok(done)
    }

    /// Says that nothing is being written, and waits for what comes next.
    async fn stand_still(&self, switch: Switch, shutdown: &Shutdown) -> Result<(), RuntimeError> {
        let said = self.clickhouse.report_writer(switch.revision, self.slot, Writer::Paused).await;
        if self.passing("saying that nothing is written", said).await?.is_none() {
            return Ok(());
        }
        tracing::info!(set = %switch.live, slot = self.slot, "standing still");
        while !shutdown.is_cancelled() {
            tokio::time::sleep(LOOK_PAUSED).await;
            match self.look().await? {
                Some(now) if now.revision == switch.revision && now.paused_for.is_some() => {}
                _ => return Ok(()),
            }
        }
        Ok(())
    }

    /// Returns when something else holds, or nothing is to be followed any more.
    async fn until_changed(&self, switch: Switch, stop: &Shutdown) {
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(LOOK) => {}
            }
            match self.clickhouse.switch().await {
                Ok(now) if now.revision != switch.revision => return,
                // The sink meets the same trouble and says so.
                Ok(_) | Err(_) => {}
            }
        }
    }

    /// Waits out what passes.
    async fn passing<T>(&self, doing: &str, result: Result<T, ClickHouseError>) -> Result<Option<T>, RuntimeError> {
        match result {
            Ok(value) => Ok(Some(value)),
            Err(error) if error.is_transient() => {
                tracing::warn!(error = %error, "{doing}");
                tokio::time::sleep(LOOK_AGAIN).await;
                Ok(None)
            }
            Err(error) => Err(RuntimeError::Fatal(format!("{doing}: {error}; `millrace setup` makes what is missing"))),
        }
    }
}
