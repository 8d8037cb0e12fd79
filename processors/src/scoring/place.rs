//! Where on earth a transaction took place, and how far that is from elsewhere.

use millrace_schemas::event::Transaction;
use serde::{Deserialize, Serialize};
use std::num::NonZeroU32;

/// Steps of a degree: ten-millionths, about a centimetre.
const STEPS: f64 = 1e7;
/// Added to latitudes, so that none is zero and "no place" takes no room.
const NORTH: i64 = 1_000_000_000;
/// Mean radius of the earth in kilometres (IUGG).
const RADIUS_KM: f64 = 6_371.008_8;

/// A point, to a ten-millionth of a degree.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Place {
    latitude: NonZeroU32,
    longitude: i32,
}

impl Place {
    /// Where a transaction took place, when both coordinates are given.
    pub fn of(transaction: &Transaction) -> Option<Self> {
        let (latitude, longitude) = (transaction.latitude?, transaction.longitude?);
        let steps = |degrees: f64| (degrees * STEPS).round_ties_even() as i64;
        let latitude = NonZeroU32::new(u32::try_from(NORTH + steps(latitude)).ok()?)?;
        Some(Self { latitude, longitude: i32::try_from(steps(longitude)).ok()? })
    }

    /// Length of the great circle between two places, in kilometres (haversine formula on a sphere; within 0.6 % of the ellipsoid).
    pub fn km_to(self, other: Self) -> f64 {
        let (from, to) = (self.latitude_radians(), other.latitude_radians());
        let north = ((to - from) / 2.0).sin();
        let east = ((other.longitude_radians() - self.longitude_radians()) / 2.0).sin();
        let haversine = north * north + from.cos() * to.cos() * east * east;
        2.0 * RADIUS_KM * haversine.clamp(0.0, 1.0).sqrt().asin()
    }

    fn latitude_radians(self) -> f64 {
        ((i64::from(self.latitude.get()) - NORTH) as f64 / STEPS).to_radians()
    }

    fn longitude_radians(self) -> f64 {
        (f64::from(self.longitude) / STEPS).to_radians()
    }
}
