//! EVL06xx: budgets, networks and what happens when evl is gone.

use crate::diag::registry::codes;

codes! {
    /// What must be served in one period of the budget, by rules, obligations and must-run demand,
    /// exceeds its cap: in every possible situation (error) or in some (warning).
    BUDGET_INFEASIBLE = 601, Finding, "a budget that cannot be kept";
    /// Behind some cut of the network more must be served than the cut lets through.
    ///
    /// This version of evl does not ask it yet.
    SUPPLY_SHORTFALL = 602, Finding, "more must be served than can be supplied";
    /// What must be served exceeds the rating of one breaker, bus, link or port.
    ///
    /// This version of evl does not ask it yet.
    RATING_EXCEEDED = 603, Finding, "mandatory demand above a rating";
    /// No directed path leads from a grid, a generator or an allowed origin to the device; or voltage
    /// or kind of current differ without a link between; or the device's greatest power exceeds the
    /// rating of its port. Stores are no origins: something has to fill them.
    NO_PATH = 604, Finding, "a device that cannot be supplied as declared";
    /// From some allowed start the reserve, charge level or deadline cannot be reached.
    ///
    /// This version of evl does not ask it yet.
    UNREACHABLE = 605, Finding, "a level or deadline that cannot be reached";
    /// In the declared weather no allowed heat or cold can hold the zone in its band.
    ///
    /// This version of evl does not ask it yet.
    COMFORT_UNREACHABLE = 606, Finding, "a comfort band that cannot be held";
    /// When evl is gone every device goes to its fail-safe value, or stays at its last command where
    /// nothing moves it (`none`, so that its whole range counts). With all of them there, the named
    /// limit of a bus, link, port or grid connection is exceeded. Lower a fail-safe value, or declare
    /// by which reversion or watchdog the device gets there.
    FAIL_SAFE = 607, Finding, "a limit is broken when evl is gone";
    /// What a consumer can take (`demand`) says nothing of what it must get. No load, zone or session
    /// belongs to this one, and no rule delivers to it, runs it, turns it on or asks a least power of
    /// it, so that plans leave it at its default. Devices under `control observe`, which evl never
    /// moves, and `life_safety` devices need no need.
    UNNEEDED = 608, Finding, "a consumer that nothing needs";
    /// evl is never the only barrier. The safety rule commands a device, and neither the rule nor the device
    /// names an `interlock`: what protects people when evl, its host or the network is gone. A note, shown
    /// under `--notes`; the manifest's `lints` make it a warning or an error.
    NO_INTERLOCK = 609, Finding, "nothing but evl stands behind a safety rule";
}
