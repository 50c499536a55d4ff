//! What a change under review may not decide for itself (semantics.md 20): who owns which files, what
//! tenants and vendors are granted, how severe findings are and which are waived stands in the revision that
//! the change is made to.

use std::collections::BTreeMap;

use crate::ir::{CivilDate, PrincipalKind, Site};

/// The revision on which a change is judged.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Base {
    /// Its name, as the user wrote it.
    pub revision: String,
    /// Its manifest's text; empty where it has none.
    pub manifest: String,
    /// What it grants to tenants and vendors, by name.
    pub grants: BTreeMap<String, Grant>,
}

/// What a tenant or vendor is granted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Grant {
    /// Names of the classes in which its files may speak.
    pub classes: Vec<String>,
    /// Last civil day of its account; `None`: no end.
    pub active_until: Option<CivilDate>,
}

impl Base {
    /// Of this revision with this policy; without one it grants nobody anything.
    #[must_use]
    pub fn new(revision: &str, manifest: String, site: Option<&Site>) -> Self {
        let class = |site: &Site, id| site.class(id).map(|class| class.name.clone());
        let grants = site.into_iter().flat_map(|site| {
            let granted = site
                .principals
                .iter()
                .filter(|who| matches!(who.kind, PrincipalKind::Tenant | PrincipalKind::Vendor));
            granted.map(move |who| {
                let classes = who.classes.iter().filter_map(|id| class(site, *id)).collect();
                (who.name.clone(), Grant { classes, active_until: who.active_until })
            })
        });
        Self { revision: revision.to_owned(), manifest, grants: grants.collect() }
    }
}
