//! Which fault comes when: data, made from a seed, printed, saved, and read again.

use rand::{RngExt as _, SeedableRng as _, rngs::StdRng};
use serde::{Deserialize, Serialize};
use std::{collections::BTreeMap, fmt, time::Duration};

/// Members of a stage: what a supervisor runs, two of each in slots of their own.
pub const MEMBERS: [&str; 8] =
    ["gateway-0", "gateway-1", "scoring-0", "scoring-1", "receipts-0", "receipts-1", "projector-0", "projector-1"];
/// The parts all members stand on.
pub const PARTS: [&str; 3] = ["kafka", "registry", "clickhouse"];
/// Connections that a proxy stands in.
pub const LINKS: [&str; 11] = [
    "kafka-gateway",
    "kafka-scoring-0",
    "kafka-scoring-1",
    "kafka-receipts-0",
    "kafka-receipts-1",
    "kafka-projector",
    "kafka-direct",
    "clickhouse",
    "registry",
    "http-0",
    "http-1",
];

const SECOND_MS: u64 = 1_000;
const HOUR_MS: i64 = 3_600_000;
/// A group's members count as dead after ten seconds: one that is stopped for longer comes back as a zombie.
const ZOMBIE_MS: std::ops::Range<u64> = 12_000..16_000;
/// What fails while everything is still being started says little.
const FIRST_MS: u64 = 2_000;
/// The end is left in peace, so that the last fault is over when the schedule is.
const LAST_MS: u64 = 5_000;

/// Which way bytes are held back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Direction {
    /// What clients send does not arrive.
    ToServer,
    /// What servers answer does not arrive.
    ToClient,
    /// Neither.
    Both,
}

/// Something that goes wrong. Times are milliseconds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Fault {
    /// SIGKILL; started again after a while.
    Kill {
        /// The process.
        victim: String,
        /// How long it stays down.
        down_ms: u64,
    },
    /// SIGTERM, and started again.
    Restart {
        /// The process.
        victim: String,
    },
    /// SIGSTOP, and SIGCONT after a while.
    Freeze {
        /// The process.
        victim: String,
        /// How long it stands still.
        for_ms: u64,
    },
    /// Every connection of a link is reset.
    Reset {
        /// The link.
        link: String,
    },
    /// A link passes nothing on for a while; its connections stay open.
    Stall {
        /// The link.
        link: String,
        /// Which way.
        direction: Direction,
        /// How long.
        for_ms: u64,
    },
    /// A link passes nothing on to the server for a while, from the next large piece on that a client sends.
    StallFrom {
        /// The link.
        link: String,
        /// What is large.
        bytes: usize,
        /// How long.
        for_ms: u64,
    },
    /// A part's volume has no room for a while.
    FullDisk {
        /// The part.
        part: String,
        /// How long.
        for_ms: u64,
    },
    /// The times that clients state jump, and stay there until the next jump.
    ClockJump {
        /// How far, ahead or back.
        by_ms: i64,
    },
}

impl Fault {
    /// What kind it is, for counting.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Kill { .. } => "kill",
            Self::Restart { .. } => "restart",
            Self::Freeze { .. } => "freeze",
            Self::Reset { .. } => "reset",
            Self::Stall { .. } | Self::StallFrom { .. } => "stall",
            Self::FullDisk { .. } => "full_disk",
            Self::ClockJump { .. } => "clock_jump",
        }
    }

    /// Whom or what it befalls; empty for the clients' clocks.
    pub fn target(&self) -> &str {
        match self {
            Self::Kill { victim, .. } | Self::Restart { victim } | Self::Freeze { victim, .. } => victim,
            Self::Reset { link } | Self::Stall { link, .. } | Self::StallFrom { link, .. } => link,
            Self::FullDisk { part, .. } => part,
            Self::ClockJump { .. } => "",
        }
    }

    /// How long its target is left alone by others, from its beginning.
    fn occupies_ms(&self) -> u64 {
        match self {
            // A part takes seconds to start, and its users some more to find back to it.
            Self::Kill { victim, down_ms } if PARTS.contains(&victim.as_str()) => down_ms + 30 * SECOND_MS,
            Self::Kill { down_ms, .. } => down_ms + 5 * SECOND_MS,
            Self::Restart { .. } => 6 * SECOND_MS,
            Self::Freeze { for_ms, .. } | Self::Stall { for_ms, .. } | Self::StallFrom { for_ms, .. } => {
                for_ms + 2 * SECOND_MS
            }
            Self::Reset { .. } => 2 * SECOND_MS,
            Self::FullDisk { for_ms, .. } => for_ms + 60 * SECOND_MS,
            Self::ClockJump { .. } => 0,
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Kill { victim, down_ms } => write!(f, "kill -9 {victim}, down for {down_ms} ms"),
            Self::Restart { victim } => write!(f, "restart {victim}"),
            Self::Freeze { victim, for_ms } => write!(f, "freeze {victim} for {for_ms} ms"),
            Self::Reset { link } => write!(f, "reset {link}"),
            Self::Stall { link, direction, for_ms } => write!(f, "stall {link} {direction:?} for {for_ms} ms"),
            Self::StallFrom { link, bytes, for_ms } => {
                write!(f, "stall {link} from a piece of {bytes} bytes on for {for_ms} ms")
            }
            Self::FullDisk { part, for_ms } => write!(f, "no room for {part} for {for_ms} ms"),
            Self::ClockJump { by_ms } => write!(f, "clients' clocks jump by {} h", by_ms / HOUR_MS),
        }
    }
}

/// A fault and its time after the beginning.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Step {
    /// Milliseconds after the load began.
    pub at_ms: u64,
    /// What happens then.
    pub fault: Fault,
}

/// Everything that goes wrong in one run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Schedule {
    /// What it was made from; the load is made from it too.
    pub seed: u64,
    /// How long it lasts.
    pub length_ms: u64,
    /// The faults, in the order of their times.
    pub steps: Vec<Step>,
}

impl Schedule {
    /// A schedule of a seed. `pace` is the mean time between faults.
    pub fn random(seed: u64, length: Duration, pace: Duration) -> Self {
        let length_ms = length.as_millis() as u64;
        let mut random = StdRng::seed_from_u64(seed);
        let mut busy: BTreeMap<String, u64> = BTreeMap::new();
        let (mut steps, mut at_ms) = (Vec::new(), FIRST_MS);
        while at_ms + LAST_MS < length_ms {
            let fault = draw(&mut random);
            let until = busy.entry(fault.target().to_owned()).or_default();
            if at_ms >= *until {
                *until = at_ms + fault.occupies_ms();
                steps.push(Step { at_ms, fault });
                at_ms += random.random_range(0..=2 * pace.as_millis() as u64);
            }
            at_ms += 1;
        }
        Self { seed, length_ms, steps }
    }

    /// The same without faults that this machine cannot have, and what was left out.
    #[must_use]
    pub fn possible(mut self, volumes: bool) -> (Self, usize) {
        let before = self.steps.len();
        self.steps.retain(|step| volumes || !matches!(step.fault, Fault::FullDisk { .. }));
        let left_out = before - self.steps.len();
        (self, left_out)
    }

    /// How long it lasts.
    pub fn length(&self) -> Duration {
        Duration::from_millis(self.length_ms)
    }
}

fn one<'a>(random: &mut StdRng, of: &[&'a str]) -> &'a str {
    of[random.random_range(0..of.len())]
}

/// One fault by chance: mostly kills of members; parts, on which everything stands, seldom.
fn draw(random: &mut StdRng) -> Fault {
    let member = |random: &mut StdRng| one(random, &MEMBERS).to_owned();
    match random.random_range(0..1_000) {
        0..640 => Fault::Kill { victim: member(random), down_ms: random.random_range(0..1_500) },
        640..665 => Fault::Kill { victim: "clickhouse".to_owned(), down_ms: random.random_range(0..3_000) },
        665..680 => Fault::Kill { victim: "kafka".to_owned(), down_ms: random.random_range(0..3_000) },
        680..690 => Fault::Kill { victim: "registry".to_owned(), down_ms: random.random_range(5_000..20_000) },
        690..750 => Fault::Restart { victim: member(random) },
        750..790 => Fault::Freeze { victim: member(random), for_ms: random.random_range(500..5_000) },
        790..810 => Fault::Freeze { victim: member(random), for_ms: random.random_range(ZOMBIE_MS) },
        810..820 => Fault::Freeze { victim: one(random, &PARTS).to_owned(), for_ms: random.random_range(500..8_000) },
        820..890 => Fault::Reset { link: one(random, &LINKS).to_owned() },
        890..950 => {
            let direction = [Direction::ToServer, Direction::ToClient, Direction::Both][random.random_range(0..3)];
            Fault::Stall { link: one(random, &LINKS).to_owned(), direction, for_ms: random.random_range(300..8_000) }
        }
        // Not the engine's: a merge that meets a full disk can leave a part that the embedded engine cannot read.
        950..960 => Fault::FullDisk { part: "kafka".to_owned(), for_ms: random.random_range(1_000..6_000) },
        _ => Fault::ClockJump { by_ms: random.random_range(-30..=30) * HOUR_MS },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ten_minutes(seed: u64) -> Schedule {
        Schedule::random(seed, Duration::from_secs(600), Duration::from_secs(1))
    }

    #[test]
    fn a_seed_gives_the_same_schedule_again_and_another_seed_another() {
        assert_eq!(ten_minutes(1), ten_minutes(1));
        assert_ne!(ten_minutes(1).steps, ten_minutes(2).steps);
    }

    #[test]
    fn a_schedule_reads_back() {
        let schedule = ten_minutes(3);
        let text = serde_json::to_string(&schedule).expect("it is written");
        assert_eq!(serde_json::from_str::<Schedule>(&text).expect("it is read"), schedule);
    }

    #[test]
    fn ten_minutes_have_every_kind_of_fault_and_hundreds_of_kills_of_every_member() {
        let schedule = ten_minutes(1);
        let count = |kind: &str| schedule.steps.iter().filter(|step| step.fault.kind() == kind).count();
        for kind in ["restart", "freeze", "reset", "stall", "full_disk", "clock_jump"] {
            assert!(count(kind) > 0, "{kind}");
        }
        assert!(count("kill") > 200, "{}", count("kill"));
        for victim in MEMBERS.iter().chain(&PARTS) {
            let kills = schedule.steps.iter().filter(|step| step.fault.kind() == "kill");
            assert!(kills.filter(|step| step.fault.target() == *victim).count() > 0, "{victim}");
        }
    }

    #[test]
    fn a_target_has_one_fault_at_a_time_and_the_end_is_left_in_peace() {
        let mut busy: BTreeMap<&str, u64> = BTreeMap::new();
        let schedule = ten_minutes(4);
        for step in &schedule.steps {
            let until = busy.entry(step.fault.target()).or_default();
            assert!(step.at_ms >= *until, "{step:?}");
            *until = step.at_ms + step.fault.occupies_ms();
            assert!(step.at_ms + LAST_MS < schedule.length_ms);
        }
    }

    #[test]
    fn a_machine_without_volumes_leaves_full_disks_out_and_says_so() {
        let (schedule, left_out) = ten_minutes(1).possible(false);
        assert!(left_out > 0);
        assert!(schedule.steps.iter().all(|step| step.fault.kind() != "full_disk"));
        assert_eq!(ten_minutes(1).possible(true), (ten_minutes(1), 0));
    }
}
