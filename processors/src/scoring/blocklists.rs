//! Lists of what is blocked whatever the score.

use super::features::Feature;
use millrace_schemas::event::Transaction;
use serde::{Deserialize, Serialize};
use std::{collections::BTreeSet, net::IpAddr};

/// What is blocked.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Blocklists {
    /// Customer ids.
    pub customers: BTreeSet<String>,
    /// Merchant ids.
    pub merchants: BTreeSet<String>,
    /// First 6 to 8 digits of cards. A shorter entry blocks every longer one that begins with it.
    pub card_bins: BTreeSet<String>,
    /// IPv4 and IPv6 addresses, however they are written.
    pub ip_addresses: BTreeSet<IpAddr>,
    /// Device ids.
    pub devices: BTreeSet<String>,
}

/// One of the lists: what it sets, and how a hit reads.
pub(super) struct List {
    pub feature: Feature,
    pub code: &'static str,
    pub text: &'static str,
}

/// The lists, in the order of their fields.
pub(super) const LISTS: [List; 5] = [
    List { feature: Feature::CustomerBlocked, code: "blocklist_customer", text: "The customer is blocked" },
    List { feature: Feature::MerchantBlocked, code: "blocklist_merchant", text: "The merchant is blocked" },
    List { feature: Feature::CardBinBlocked, code: "blocklist_card_bin", text: "The card's issuer number is blocked" },
    List { feature: Feature::IpAddressBlocked, code: "blocklist_ip_address", text: "The IP address is blocked" },
    List { feature: Feature::DeviceBlocked, code: "blocklist_device", text: "The device is blocked" },
];

impl Blocklists {
    /// The feature of each list that the transaction is on.
    pub(super) fn hits(&self, transaction: &Transaction) -> impl Iterator<Item = Feature> {
        let on_list = [
            self.customers.contains(&transaction.customer_id),
            self.merchants.contains(&transaction.merchant_id),
            self.has_card_bin(&transaction.card_bin),
            self.has_ip_address(&transaction.ip_address),
            self.devices.contains(&transaction.device_id),
        ];
        LISTS.iter().zip(on_list).filter(|(_, is_on)| *is_on).map(|(list, _)| list.feature)
    }

    fn has_card_bin(&self, card_bin: &str) -> bool {
        !self.card_bins.is_empty() && (6..=8).filter_map(|len| card_bin.get(..len)).any(|p| self.card_bins.contains(p))
    }

    fn has_ip_address(&self, address: &str) -> bool {
        !self.ip_addresses.is_empty()
            && address.parse::<IpAddr>().is_ok_and(|address| self.ip_addresses.contains(&address.to_canonical()))
    }
}
