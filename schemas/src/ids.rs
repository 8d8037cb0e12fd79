//! Identities and hashes: the same input gives the same id everywhere, so that retries and replays can be told.

use crate::{Topic, event::Source};
use uuid::Uuid;

/// Namespace of [`trn_id`]: a version-5 UUID of the name `millrace` in the DNS namespace.
const TRN_NAMESPACE: Uuid = Uuid::from_u128(0x6f2d_4d3a_9c0b_5a53_8a0d_25cf_1f3b_7e10);

/// Id across systems of a journal record: derived from its kind, owner and business id, so that a retry gets the same one.
///
/// `owner` is the customer of a transaction or label and the place of a receipt.
pub fn trn_id(journal: Topic, owner: &str, business_id: &str) -> Uuid {
    Uuid::new_v5(&TRN_NAMESPACE, &framed(&[journal.name().as_bytes(), owner.as_bytes(), business_id.as_bytes()]))
}

/// Id of a label whose source gives none: the same statement has the same one however often it is made. `decided_at` is epoch
/// milliseconds.
pub fn label_id(transaction_id: &str, label: &str, source: &str, decided_at: i64) -> Uuid {
    let parts = [transaction_id.as_bytes(), label.as_bytes(), source.as_bytes(), &decided_at.to_be_bytes()];
    Uuid::new_v5(&TRN_NAMESPACE, &framed(&[&[b"label".as_slice()], parts.as_slice()].concat()))
}

/// Id of a derived event: a hash of the log's epoch, the source record and the index among the events derived from it.
pub fn derived_event_id(log_epoch: &str, source: &Source) -> Uuid {
    event_id_of(&[
        log_epoch.as_bytes(),
        source.topic.as_bytes(),
        &source.partition.to_be_bytes(),
        &source.offset.to_be_bytes(),
        &source.index.to_be_bytes(),
    ])
}

/// Id of an event that has no single source: a hash of the parts that make it what it is.
pub fn event_id_of(parts: &[&[u8]]) -> Uuid {
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&blake3::hash(&framed(parts)).as_bytes()[..16]);
    uuid::Builder::from_custom_bytes(bytes).into_uuid()
}

/// Hash of a business id within its owner; 128 bits, so that two ids never meet by chance.
pub fn identity_hash(owner: &str, business_id: &str) -> u128 {
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&blake3::hash(&framed(&[owner.as_bytes(), business_id.as_bytes()])).as_bytes()[..16]);
    u128::from_be_bytes(bytes)
}

/// Hash of a record's canonical content; see [`crate::event::Journal::content_hash`].
pub(crate) fn content_hash(canonical: &[u8]) -> u64 {
    let mut bytes = [0; 8];
    bytes.copy_from_slice(&blake3::hash(canonical).as_bytes()[..8]);
    u64::from_be_bytes(bytes)
}

/// Joins parts so that no two lists of parts give the same bytes.
fn framed(parts: &[&[u8]]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(parts.iter().map(|part| part.len() + 8).sum());
    for part in parts {
        bytes.extend_from_slice(&(part.len() as u64).to_be_bytes());
        bytes.extend_from_slice(part);
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_differ_by_every_part_and_by_where_parts_end() {
        let ids = [
            trn_id(Topic::Transactions, "ab", "c"),
            trn_id(Topic::Transactions, "a", "bc"),
            trn_id(Topic::Receipts, "ab", "c"),
        ];
        assert!(ids[0] != ids[1] && ids[0] != ids[2]);
        assert_eq!(ids[0], trn_id(Topic::Transactions, "ab", "c"));
    }

    #[test]
    fn ids_stay_what_they_are() {
        assert_eq!(
            trn_id(Topic::Transactions, "customer-1", "txn-1").to_string(),
            "628f5a84-bf58-5573-ad50-e157f8addb72"
        );
        assert_eq!(
            label_id("txn-plain", "legitimate", "analyst", 1_775_392_200_000).to_string(),
            "59dc478c-8356-5479-8169-876200bac320"
        );
        let source = Source { topic: "transactions".into(), partition: 3, offset: 42, index: 0, timestamp: 7 };
        assert_eq!(derived_event_id("epoch", &source).to_string(), "d3c3d4c5-544f-8f8a-bd2e-ac8679cf42ed");
    }
}
