//! Which devices may be commanded: the policy's admission lists, and commissioning records.

use crate::bundle::Bundle;
use crate::bundle::profile::Identity;
use crate::diag::{Code, codes};
use crate::ir::{AdmissionAct, AdmissionCondition, Control, Gateway, Site};
use crate::quantity::Rat;

use super::probe::{Excluded, Subject};

/// What a device showed of itself. A register that was read is a claim, no proof.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Shown {
    /// maker
    pub maker: Option<String>,
    /// model
    pub model: Option<String>,
    /// serial number
    pub serial: Option<String>,
}

impl Shown {
    /// For people.
    #[must_use]
    pub fn words(&self, subject: &Subject) -> String {
        match &self.serial {
            Some(serial) => format!("claimed serial {serial}"),
            None => format!("no identity, bound to unit {} of `{}`", subject.entry.unit, subject.gateway),
        }
    }
}

/// The admission lists of a site.
#[derive(Debug, Clone)]
pub struct Admission {
    lists: Vec<crate::ir::Admission>,
    gateways: Vec<Gateway>,
    volts: Vec<Option<Rat>>,
}

impl Admission {
    /// Of this bundle.
    #[must_use]
    pub fn of(bundle: &Bundle) -> Self {
        let site: &Site = &bundle.site;
        Self {
            lists: site.admissions.clone(),
            gateways: site.gateways.clone(),
            volts: site.buses.iter().map(|bus| bus.supply.as_ref().and_then(|s| s.volts.clone())).collect(),
        }
    }

    /// Whether the device may be commanded.
    ///
    /// # Errors
    /// Why not.
    pub fn admit(&self, subject: &Subject, shown: &Shown) -> Result<(), Excluded> {
        self.listed(subject, shown)
            .and_then(|()| commissioned(subject, shown))
            .map_err(|(code, reason)| Excluded { code, reason })
    }

    fn listed(&self, subject: &Subject, shown: &Shown) -> Result<(), (Code, String)> {
        let meets =
            |list: &crate::ir::Admission| list.conditions.iter().all(|c| self.meets(c, subject, shown));
        let mut allowing = self.lists.iter().filter(|list| list.act == AdmissionAct::Allow).peekable();
        let no = |words: String| Err((codes::NOT_ADMITTED, words));
        if allowing.peek().is_some() && !allowing.any(meets) {
            // whether its signature is good cannot be told, which is no verdict on the device
            let signed =
                self.lists.iter().find_map(|list| Some((list, self.signature(list, subject, shown)?)));
            return match signed {
                Some((list, key)) => Err((
                    codes::SIGNATURE,
                    format!(
                        "`{}` asks for a signature by `{key}`, which this version cannot check",
                        list.text
                    ),
                )),
                None => no("no admission list allows it".to_owned()),
            };
        }
        if let Some(list) = self.lists.iter().find(|list| list.act == AdmissionAct::Deny && meets(list)) {
            return no(format!("an admission list denies it: `{}`", list.text));
        }
        if let Some(list) = self.lists.iter().find(|list| list.act == AdmissionAct::Require && !meets(list)) {
            return no(format!("it does not meet what admission requires: `{}`", list.text));
        }
        Ok(())
    }

    /// The key by which a device must be signed that meets everything else of an allowing list.
    fn signature<'l>(
        &self,
        list: &'l crate::ir::Admission,
        subject: &Subject,
        shown: &Shown,
    ) -> Option<&'l str> {
        let mut key = None;
        for condition in &list.conditions {
            match condition {
                AdmissionCondition::Signature(path) => key = Some(path.as_str()),
                other if !self.meets(other, subject, shown) => return None,
                _ => {}
            }
        }
        key.filter(|_| list.act == AdmissionAct::Allow)
    }

    fn meets(&self, condition: &AdmissionCondition, subject: &Subject, shown: &Shown) -> bool {
        // a device without identity is known by its place, for which the inventory vouches
        let serial = shown.serial.as_ref().or(match subject.profile.identity {
            Identity::None => subject.entry.serial.as_ref(),
            Identity::Points(_) => None,
        });
        match condition {
            AdmissionCondition::Maker(maker) => shown.maker.as_ref() == Some(maker),
            AdmissionCondition::Function(function) => subject.profile.function == *function,
            AdmissionCondition::SerialIn(list) => serial.is_some_and(|serial| list.contains(serial)),
            AdmissionCondition::Serial(one) => serial == Some(one),
            // no signature of a device can be checked yet, so none is ever good
            AdmissionCondition::Signature(_) => false,
            AdmissionCondition::VoltageWithin(share) => self.voltage_fits(subject, share),
            AdmissionCondition::CurrentAtMostPort => self.current_fits(subject),
        }
    }

    /// A device that states no voltage has none that could contradict its bus; its fit is then a
    /// matter of `check`, which compares the declarations.
    fn voltage_fits(&self, subject: &Subject, share: &Rat) -> bool {
        let bus = subject.family.bus.and_then(|bus| self.volts.get(bus.index())?.clone());
        let own = subject.family.electrical.rated_voltage.clone();
        match (bus, own) {
            (Some(bus), Some(own)) => (&bus - &own).abs() <= share * &bus,
            _ => true,
        }
    }

    fn current_fits(&self, subject: &Subject) -> bool {
        let port = subject.family.port.and_then(|(first, _)| {
            let gateway = self.gateways.get(subject.family.gateway?.index())?;
            gateway.ports.iter().find(|range| (range.first..=range.last).contains(&first))?.rated.clone()
        });
        match (port, &subject.family.electrical.rated_current) {
            (Some(port), Some(own)) => *own <= port,
            _ => true,
        }
    }
}

/// `control command` needs a record that this very device was tried out (semantics.md 24).
fn commissioned(subject: &Subject, shown: &Shown) -> Result<(), (Code, String)> {
    let no = |words: String| Err((codes::NOT_ADMITTED, words));
    if subject.family.control != Control::Command {
        return Ok(());
    }
    let Some(record) = &subject.entry.commissioned else {
        return no("it has no commissioning record in the inventory".to_owned());
    };
    let serial = shown.serial.as_deref().unwrap_or("none");
    if record.serial != serial {
        return no(format!("its commissioning record is of `{}`, not of `{serial}`", record.serial));
    }
    if record.profile != subject.profile.hash() {
        return no("it was commissioned with another version of its profile".to_owned());
    }
    Ok(())
}
