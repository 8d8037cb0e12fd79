//! Switching off, one at a time, what exactly-once stands on, so that tests show that they would notice.
//!
//! `MILLRACE_SABOTAGE` names what is off, separated by commas. It is read only by builds with debug assertions; nothing of it
//! exists in a release build.

/// What can be switched off.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sabotage {
    /// `transaction`: outputs are written without the transaction that commits their offsets.
    Transaction,
    /// `token`: inserts have no deduplication token.
    Token,
    /// `intent`: no intent is recorded before a write.
    Intent,
    /// `fencing`: transactional id and group instance id differ in every process, so that none replaces another.
    Fencing,
    /// `restore`: memory starts empty.
    Restore,
    /// `epochs`: a newer basis is decided by at once, and the log does not tell of it.
    Epochs,
}

/// Whether something is switched off in this process.
#[cfg(not(debug_assertions))]
pub const fn is_on(_: Sabotage) -> bool {
    false
}

#[cfg(debug_assertions)]
pub use chosen::is_on;

#[cfg(debug_assertions)]
mod chosen {
    use super::Sabotage;
    use std::sync::LazyLock;

    const VARIABLE: &str = "MILLRACE_SABOTAGE";

    const NAMES: &[(&str, Sabotage)] = &[
        ("transaction", Sabotage::Transaction),
        ("token", Sabotage::Token),
        ("intent", Sabotage::Intent),
        ("fencing", Sabotage::Fencing),
        ("restore", Sabotage::Restore),
        ("epochs", Sabotage::Epochs),
    ];

    static CHOSEN: LazyLock<Vec<Sabotage>> = LazyLock::new(|| {
        let chosen = parse(&std::env::var(VARIABLE).unwrap_or_default());
        if !chosen.is_empty() {
            tracing::error!(?chosen, "{VARIABLE} is set: effects may be lost or doubled");
        }
        chosen
    });

    /// Whether something is switched off in this process.
    pub fn is_on(what: Sabotage) -> bool {
        CHOSEN.contains(&what)
    }

    fn parse(text: &str) -> Vec<Sabotage> {
        let words = text.split(',').map(str::trim).filter(|word| !word.is_empty());
        let known = |word: &str| NAMES.iter().find(|(name, _)| *name == word).map(|(_, sabotage)| *sabotage);
        words.map(|word| known(word).unwrap_or_else(|| panic!("{VARIABLE} cannot switch off {word:?}"))).collect()
    }

    #[cfg(test)]
    mod tests {
        use super::*;

        #[test]
        fn several_things_can_be_switched_off() {
            assert_eq!(parse(" token, restore"), [Sabotage::Token, Sabotage::Restore]);
            assert_eq!(parse(""), []);
        }

        #[test]
        #[should_panic(expected = "cannot switch off \"tokens\"")]
        fn a_misspelt_word_is_not_passed_over() {
            parse("tokens");
        }
    }
}
