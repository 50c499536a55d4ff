//! Control devices: sensors, alarms and thermostats.

use super::Compiler;
use super::props::Props;
use crate::diag::{Diagnostic, codes};
use crate::ir::{Family, FamilyId, Model};

impl<'a> Compiler<'a> {
    /// What a control device adds.
    pub(super) fn read_control(&mut self, props: &mut Props<'a>, family: &mut Family) {
        let mut zone = None;
        if let Some(mut args) = self.take(props, "controls")
            && let Some(name) = self.arg_name(&mut args, "the name of a zone")
        {
            self.end(&args);
            zone = self.zone(name);
            if family.count.is_some() {
                let finding = Diagnostic::error(
                    codes::WRONG_KIND,
                    name.span,
                    "an array of thermostats cannot control one zone".to_owned(),
                );
                self.push(finding.help("declare one thermostat for each zone"));
            }
        }
        family.model = Model::Control { zone };
    }

    /// Notes a thermostat at its zone.
    pub(super) fn thermostat(&mut self, id: FamilyId) {
        let Some(zone) = self.controlled_zone(id) else { return };
        if let Some(zone) = self.site.zones.get_mut(zone.index()) {
            zone.thermostats.push(id);
        }
    }
}
