//! The inventory: where each device is. Owned by facility staff, hashed apart from the policy.
//!
//! `inventory/*.yaml` files are read straight into [`Inventory`], with unknown keys refused, and
//! [merged](Inventory::merge); a name may stand in one file only.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::profile::{Problem, Quantity};
use crate::quantity::Type;

/// Most devices one inventory may hold.
const MOST_DEVICES: usize = 1_000_000;

/// Hosts, gateways and devices of a site.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Inventory {
    /// computers that run evl, and the gateways each alone may write
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub hosts: BTreeMap<String, Host>,
    /// field endpoints by the name the policy gives them
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub gateways: BTreeMap<String, Gateway>,
    /// devices by the name the policy gives them; elements of arrays as `charger[3]`
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub devices: BTreeMap<String, Device>,
}

/// A computer that runs evl.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Host {
    /// the gateways that it alone may write
    pub gateways: Vec<String>,
    /// who vouches that its clock is right, where the operating system cannot tell
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub clock: Option<Clock>,
}

/// How a host's clock is known to be right.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Clock {
    /// facility staff see to it (GPS, PTP, a supervised host)
    Vouched,
}

/// A field endpoint.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Gateway {
    /// how it is spoken to
    pub transport: Transport,
    /// host name or address
    pub host: String,
    /// TCP port
    #[serde(default = "modbus_port")]
    pub port: u16,
    /// longest wait for one answer; 1 s where not given
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout: Option<Quantity>,
}

const fn modbus_port() -> u16 {
    502
}

/// How a gateway is spoken to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Transport {
    /// Modbus over TCP
    ModbusTcp,
}

/// Where one device is and what is known of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Device {
    /// the gateway behind which it is
    pub gateway: String,
    /// unit id on the bus, 1 to 247
    pub unit: u8,
    /// serial number; a device that shows another is not commanded
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub serial: Option<String>,
    /// port of the gateway
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub port: Option<u16>,
    /// its nameplate, which wins over its profile's
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub ratings: BTreeMap<String, Quantity>,
    /// record that this very device was tried out; `control command` needs it
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub commissioned: Option<Commissioned>,
}

/// Record that a device was tried out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Commissioned {
    /// the serial number that it showed, or `none` for a device without identity
    pub serial: String,
    /// hash of the profile with which it was tried, `sha256:..`
    pub profile: String,
    /// the day, `2026-03-01`
    pub on: String,
    /// the role that did it
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<String>,
}

impl Inventory {
    /// Takes in the entries of another file.
    ///
    /// # Errors
    /// Names that stand in both.
    pub fn merge(&mut self, other: Self) -> Result<(), Vec<Problem>> {
        fn into<T>(
            what: &str,
            mine: &mut BTreeMap<String, T>,
            theirs: BTreeMap<String, T>,
            twice: &mut Vec<Problem>,
        ) {
            for (name, entry) in theirs {
                match mine.entry(name) {
                    Entry::Occupied(there) => twice.push(Problem {
                        at: format!("{what}.{}", there.key()),
                        message: format!("`{}` stands in two inventory files", there.key()),
                    }),
                    Entry::Vacant(free) => {
                        free.insert(entry);
                    }
                }
            }
        }
        let mut twice = Vec::new();
        into("hosts", &mut self.hosts, other.hosts, &mut twice);
        into("gateways", &mut self.gateways, other.gateways, &mut twice);
        into("devices", &mut self.devices, other.devices, &mut twice);
        if twice.is_empty() { Ok(()) } else { Err(twice) }
    }

    /// Everything wrong with it, in the order of its names.
    #[must_use]
    pub fn problems(&self) -> Vec<Problem> {
        let mut problems = Vec::new();
        let mut wrong = |at: String, message: String| problems.push(Problem { at, message });
        let mut writers: BTreeMap<&str, &str> = BTreeMap::new();
        for (name, host) in &self.hosts {
            for gateway in &host.gateways {
                if !self.gateways.contains_key(gateway) {
                    wrong(format!("hosts.{name}.gateways"), format!("there is no gateway `{gateway}`"));
                }
                if let Some(first) = writers.insert(gateway, name) {
                    wrong(
                        format!("hosts.{name}.gateways"),
                        format!("`{gateway}` is already written by host `{first}`"),
                    );
                }
            }
        }
        for (name, gateway) in &self.gateways {
            let plain =
                |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b':' | b'_' | b'[' | b']');
            if gateway.host.is_empty() || gateway.host.len() > 253 || !gateway.host.bytes().all(plain) {
                wrong(
                    format!("gateways.{name}.host"),
                    format!("`{}` is no host name or address", gateway.host),
                );
            }
            if gateway.timeout.as_ref().is_some_and(|t| t.ty != Type::Duration || !t.value.is_positive()) {
                wrong(
                    format!("gateways.{name}.timeout"),
                    "the timeout must be a duration above zero".to_owned(),
                );
            }
        }
        if self.devices.len() > MOST_DEVICES {
            wrong("devices".to_owned(), format!("more than {MOST_DEVICES} devices"));
        }
        let mut places: BTreeMap<(&str, u8), &str> = BTreeMap::new();
        for (name, device) in &self.devices {
            if !self.gateways.contains_key(&device.gateway) {
                wrong(format!("devices.{name}.gateway"), format!("there is no gateway `{}`", device.gateway));
            }
            if !(1..=247).contains(&device.unit) {
                wrong(format!("devices.{name}.unit"), format!("unit {} is not in 1 .. 247", device.unit));
            }
            if let Some(first) = places.insert((&device.gateway, device.unit), name) {
                wrong(
                    format!("devices.{name}.unit"),
                    format!("unit {} of `{}` is already `{first}`", device.unit, device.gateway),
                );
            }
            for (rating, value) in &device.ratings {
                if !value.value.is_positive() {
                    wrong(
                        format!("devices.{name}.ratings.{rating}"),
                        format!("a rating must be above zero, not `{value}`"),
                    );
                }
            }
        }
        problems
    }

    /// Hash of its canonical JSON: `sha256:..`.
    #[must_use]
    pub fn hash(&self) -> String {
        // field order is fixed by the types and maps are ordered, so these bytes are canonical
        let bytes = serde_json::to_vec(self).unwrap_or_default();
        let digest: String = Sha256::digest(&bytes).iter().map(|byte| format!("{byte:02x}")).collect();
        format!("sha256:{digest}")
    }

    /// The host that alone may write `gateway`.
    #[must_use]
    pub fn writer(&self, gateway: &str) -> Option<&str> {
        self.hosts
            .iter()
            .find(|(_, host)| host.gateways.iter().any(|name| name == gateway))
            .map(|(name, _)| name.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: &str = r"
        hosts: { plant_pc: { gateways: [roof] } }
        gateways: { roof: { transport: modbus_tcp, host: 127.0.0.1, port: 1502, timeout: 500 ms } }
        devices:
          solar: { gateway: roof, unit: 1, serial: PV10K-0001, ratings: { power: 10 kW } }
          charger[1]:
            gateway: roof
            unit: 4
            commissioned: { serial: none, profile: 'sha256:00', on: 2026-03-01, by: facility_admin }
    ";

    #[test]
    fn reads_and_survives_json() {
        let inventory: Inventory = serde_yaml::from_str(ONE).unwrap();
        assert_eq!(inventory.problems(), Vec::new());
        assert_eq!(inventory.writer("roof"), Some("plant_pc"));
        let json = serde_json::to_string(&inventory).unwrap();
        let again: Inventory = serde_json::from_str(&json).unwrap();
        assert_eq!(again, inventory);
        assert_eq!(again.hash(), inventory.hash());
    }

    #[test]
    fn unknown_keys_are_refused() {
        let error = serde_yaml::from_str::<Inventory>(&ONE.replace("unit: 4", "unid: 4")).unwrap_err();
        assert!(error.to_string().contains("unid"), "{error}");
    }

    #[test]
    fn one_name_in_one_file() {
        let mut inventory: Inventory = serde_yaml::from_str(ONE).unwrap();
        let twice = inventory.clone();
        let problems = inventory.merge(twice).unwrap_err();
        assert_eq!(problems.len(), 4);
        assert_eq!(problems[2].message, "`charger[1]` stands in two inventory files");
    }

    #[test]
    fn each_mistake_is_named() {
        let inventory: Inventory = serde_yaml::from_str(
            r"
            hosts: { a: { gateways: [roof, cellar] }, b: { gateways: [roof] } }
            gateways: { roof: { transport: modbus_tcp, host: 'x; rm', timeout: 3 kW } }
            devices:
              one: { gateway: roof, unit: 1 }
              two: { gateway: roof, unit: 1, ratings: { power: 0 kW } }
              three: { gateway: attic, unit: 0 }
            ",
        )
        .unwrap();
        let found: Vec<String> =
            inventory.problems().into_iter().map(|p| format!("{}: {}", p.at, p.message)).collect();
        insta::assert_snapshot!(found.join("\n"));
    }
}
