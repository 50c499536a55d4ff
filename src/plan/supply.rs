//! Who may feed whom: flows per origin (planner.md 21).

use super::model::Builder;

pub(super) fn add(b: &mut Builder<'_, '_>) {
    if b.scene.origins.is_empty() {
        return;
    }
}
