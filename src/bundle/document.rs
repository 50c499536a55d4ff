//! The bundle: what people sign. The compiled policy with its profiles, and the hashes of
//! everything it was made from.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::canon::{Document, Hash};
use super::inventory::Inventory;
use super::profile::Profile;
use crate::calendar::zone_database;
use crate::diag::{Diagnostic, Severity, codes};
use crate::ir::{Device, Family, FamilyId, IR_VERSION, Site, ZoneId};

/// The canonical compilation of a policy. JSON by `docs/schema/bundle.json`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Bundle {
    /// [`Document::SCHEMA`].
    pub schema: String,
    /// Name and version of the evl that made it: `evl 0.1.0`.
    pub tool: String,
    /// Version of the time zone database that it was compiled with.
    pub tzdb: String,
    /// The typed policy.
    pub site: Site,
    /// The profiles that its devices name.
    pub profiles: BTreeMap<String, Profile>,
    /// Hash of the inventory: [`Inventory::hash`].
    pub inventory: Hash,
    /// The gateways (by name) that each host alone may write; addresses stay in the inventory.
    pub hosts: BTreeMap<String, Vec<String>>,
    /// Hash of every file that was compiled, by its path inside the repository.
    pub sources: BTreeMap<String, Hash>,
    /// Hash of the canonical bytes with this left empty.
    pub id: Hash,
}

impl Document for Bundle {
    const WHAT: &'static str = "bundle";
    const SCHEMA: &'static str = "evl.bundle/1";
    const MADE_BY: &'static str = "evl build SITE -o site.bundle";

    fn schema(&self) -> &str {
        &self.schema
    }

    fn id(&self) -> &Hash {
        &self.id
    }

    fn id_mut(&mut self) -> &mut Hash {
        &mut self.id
    }
}

/// Name and version of this evl, as documents state it.
#[must_use]
pub fn tool() -> String {
    format!("evl {}", env!("CARGO_PKG_VERSION"))
}

impl Bundle {
    /// Seals a site with its profiles and inventory.
    ///
    /// `extra` names files that were read besides the policy text (feeds, lists, profiles) with
    /// their hashes.
    #[must_use]
    pub fn new(
        site: Site,
        profiles: BTreeMap<String, Profile>,
        inventory: &Inventory,
        extra: BTreeMap<String, Hash>,
    ) -> Self {
        let mut sources = extra;
        for file in &site.files {
            let hash = Hash::parse(&format!("sha256:{}", file.sha256)).unwrap_or_default();
            sources.insert(file.path.clone(), hash);
        }
        let hosts =
            inventory.hosts.iter().map(|(name, host)| (name.clone(), host.gateways.clone())).collect();
        Self {
            schema: Self::SCHEMA.to_owned(),
            tool: tool(),
            tzdb: zone_database().to_owned(),
            site,
            profiles,
            inventory: Hash::parse(&inventory.hash()).unwrap_or_default(),
            hosts,
            sources,
            id: Hash::default(),
        }
        .seal()
    }

    /// Reads a bundle and checks that this evl can evaluate its policy.
    ///
    /// # Errors
    /// As [`Document::read`]; EVL1107 for a policy compiled to another version.
    pub fn load(bytes: &[u8]) -> Result<Self, Diagnostic> {
        let bundle = Self::read(bytes)?;
        if bundle.site.version != IR_VERSION {
            return Err(Diagnostic::nowhere(
                codes::SCHEMA_VERSION,
                Severity::Error,
                format!(
                    "the bundle holds a policy of version {}, this evl reads {IR_VERSION}",
                    bundle.site.version
                ),
            )
            .help("build the bundle again with this version of evl"));
        }
        Ok(bundle)
    }

    /// The host that alone may write the device's gateway; `None` for a device behind no gateway or
    /// one that no host is assigned to.
    #[must_use]
    pub fn host_of(&self, device: Device) -> Option<&str> {
        let gateway = self.site.family(device.family)?.gateway?;
        let name = &self.site.gateways.get(gateway.index())?.name;
        self.hosts.iter().find(|(_, gateways)| gateways.contains(name)).map(|(host, _)| host.as_str())
    }
}

/// Resolves the names that documents use.
#[derive(Debug)]
pub struct Names<'a> {
    site: &'a Site,
    families: BTreeMap<&'a str, FamilyId>,
    zones: BTreeMap<&'a str, ZoneId>,
}

impl<'a> Names<'a> {
    /// Of this site.
    #[must_use]
    pub fn new(site: &'a Site) -> Self {
        Self {
            site,
            families: site.families.iter().map(|f| (f.name.as_str(), f.id)).collect(),
            zones: site.zones.iter().map(|z| (z.name.as_str(), z.id)).collect(),
        }
    }

    /// The device that is written so: `pack`, `charger[3]`.
    #[must_use]
    pub fn device(&self, name: &str) -> Option<Device> {
        let (stem, index) = match name.split_once('[') {
            None => (name, None),
            Some((stem, rest)) => {
                let digits = rest.strip_suffix(']')?;
                if digits.starts_with('0') || !digits.bytes().all(|b| b.is_ascii_digit()) {
                    return None;
                }
                (stem, Some(digits.parse::<u32>().ok()?))
            }
        };
        let family = self.site.family(*self.families.get(stem)?)?;
        match (family.count, index) {
            (None, None) => Some(Device { family: family.id, index: 1 }),
            (Some(count), Some(index)) if (1..=count).contains(&index) => {
                Some(Device { family: family.id, index })
            }
            _ => None,
        }
    }

    /// The declaration of this name.
    #[must_use]
    pub fn family(&self, name: &str) -> Option<&'a Family> {
        self.site.family(*self.families.get(name)?)
    }

    /// The zone of this name.
    #[must_use]
    pub fn zone(&self, name: &str) -> Option<ZoneId> {
        self.zones.get(name).copied()
    }
}
