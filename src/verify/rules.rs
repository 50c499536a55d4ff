//! rules
use super::Case;
use super::miss::Misses;
use super::simulate::Trajectory;
use crate::bundle::PlanDocument;
use crate::calendar::Calendar;

pub(super) fn check(_: &Case<'_>, _: &Calendar, _: &PlanDocument, _: &Trajectory, _: &mut Misses) -> usize {
    0
}
