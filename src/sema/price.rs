//! Prices as guards read them.

use super::Compiler;
use super::expr::Val;
use super::signal::wide;
use crate::ast::{self};
use crate::diag::{Diagnostic, Span, codes};
use crate::ir::{Domain, Family, Model, Price, SignalId, TariffId};
use crate::quantity::Type;

impl Compiler<'_> {
    /// Notes the tariffs of the site's grids, once all devices are read: a site of many devices has
    /// many guards that read a price.
    pub(super) fn note_grid_tariffs(&mut self) {
        let tariff = |family: &Family| match &family.model {
            Model::Grid { tariff, .. } => *tariff,
            _ => None,
        };
        self.grid_tariffs = self.site.families.iter().filter_map(tariff).collect();
        self.grid_tariffs.sort_unstable();
        self.grid_tariffs.dedup();
    }

    pub(super) fn price(&mut self, name: &ast::Name) -> Option<Val> {
        let export = match name.parts.get(1).map(|p| p.ident.text.as_str()) {
            Some("import") => false,
            Some("export") => true,
            _ => {
                let finding = Diagnostic::error(
                    codes::UNKNOWN_NAME,
                    name.span,
                    format!("there is no `{}`", name.text()),
                );
                self.push(finding.help("the prices are `price.import` and `price.export`"));
                return None;
            }
        };
        self.no_more_parts(name, 2)?;
        match self.grid_tariffs.as_slice() {
            [tariff] => {
                let signal = self.price_signal(*tariff, export, name.span)?;
                self.plain(signal)
            }
            [] => {
                if self.families.iter().any(|f| f.broken) || self.names.has_broken() {
                    return None;
                }
                let finding = Diagnostic::error(
                    codes::UNKNOWN_NAME,
                    name.span,
                    "no grid of this site has a tariff, so there is no price".to_owned(),
                );
                self.push(finding.help("add `tariff NAME` to the grid's declaration"));
                None
            }
            _ => {
                let example = self.site.tariffs.first().map(|t| t.name.clone()).unwrap_or_default();
                let finding = Diagnostic::error(
                    codes::WRONG_KIND,
                    name.span,
                    "the site has several tariffs, so this price is not settled".to_owned(),
                );
                let direction = if export { "export" } else { "import" };
                self.push(finding.help(format!("name the tariff: `{example}.{direction}`")));
                None
            }
        }
    }

    /// The signal of a tariff's price.
    pub(super) fn price_signal(&mut self, id: TariffId, export: bool, span: Span) -> Option<SignalId> {
        let shape = self.tariffs.get(id.index())?;
        if shape.broken {
            return None;
        }
        let tariff = self.site.tariffs.get(id.index())?;
        let made = if export { tariff.export_signal } else { tariff.import_signal };
        if made.is_none() {
            let finding = Diagnostic::error(
                codes::UNKNOWN_NAME,
                span,
                format!(
                    "the tariff `{}` has no price of {}",
                    tariff.name,
                    if export { "export" } else { "import" }
                ),
            )
            .label(tariff.span, "declared here");
            self.push(finding);
        }
        made
    }

    /// Domain of a price with fixed periods.
    pub(super) fn price_domain(price: &Price) -> Domain {
        match price {
            Price::Feed(..) => wide(Type::EnergyPrice),
            Price::Periods { periods, otherwise, .. } => {
                let values = periods.iter().map(|p| &p.price).chain(otherwise);
                let lo = values.clone().min().cloned().unwrap_or_default();
                let hi = values.max().cloned().unwrap_or_default();
                Domain::Interval { lo, hi }
            }
        }
    }
}
