//! EVL12xx: hosts, gateways and devices in the field.

use crate::diag::registry::codes;

codes! {
    /// The gateway does not answer at the address in the inventory. Nothing was written to it.
    DEAD_GATEWAY = 1201, Finding, "a gateway does not answer";
    /// The device at this place reports another serial, maker or model than the inventory says. It is
    /// excluded and taken at its worst case.
    WRONG_DEVICE = 1202, Finding, "another device than expected";
    /// The device is under local control. Local control always wins: it is excluded and not written.
    LOCAL_CONTROL = 1203, Finding, "a device under local control";
    /// A value was written and reads back otherwise, twice, at the point that shows the value in
    /// effect.
    NOT_IN_EFFECT = 1204, Finding, "a written value is not in effect";
    /// No answer came to a write. It may or may not have been done; nothing is said about the device
    /// until it was read back.
    STATE_UNKNOWN = 1205, Finding, "the state of a device is unknown";
    /// Another evl holds this host. Only one writes at a time.
    LOCKED = 1206, Finding, "another evl holds this host";
    /// The clock is not known to be right, or stands before the last record in the journal. Plans are
    /// made of instants, so nothing but safety rules may be applied. `--now T` replaces the clock for
    /// gateways on this computer only.
    CLOCK = 1207, Finding, "the clock cannot be trusted";
    /// No order of the writes keeps every limit while they are under way. Nothing was written.
    NO_SAFE_ORDER = 1208, Finding, "no safe order of writes";
    /// The device is not on the admission lists, or its entry has lapsed. It is not commanded.
    NOT_ADMITTED = 1209, Finding, "a device that is not admitted";
    /// The value would lapse before the step ends and nothing renews it. `--once` accepts that.
    LEASE_TOO_SHORT = 1210, Finding, "a value would lapse before the step ends";
    /// Writing changes hardware and needs consent: answer on the terminal, or give `--yes`.
    NEEDS_CONSENT = 1211, Finding, "writing needs `--yes`";
    /// The journal in the state folder is damaged beyond its torn last line, or belongs to another
    /// site. A new state folder begins without it, and so without the sequence of the last accepted plan:
    /// until a plan with a higher one is applied there, an overtaken plan that has not expired would be
    /// accepted again. The finding names the sequence that is still known.
    JOURNAL = 1212, Finding, "the journal cannot be used";
    /// The device shows another value than the plan that was applied says: it lapsed, was overridden,
    /// or somebody else wrote it.
    DRIFTED = 1213, Finding, "a device is not as planned";
    /// A rule that is active now forbids what the plan asks of a device: a reading is another than the
    /// plan presumed. A power above what the rules leave is brought down to it; a device for which
    /// nothing of the kind is possible is excluded and stays as it is. Plan again from a fresh snapshot.
    LIVE_RULE = 1214, Finding, "the plan and the present rules disagree";
    /// A reading that a rule of the safety class needs is lost: its device does not answer, shows
    /// nothing, is older than `max_age`, or stands in no inventory of this host. The rule counts as its
    /// `on loss` says, which for the safety class is active unless the rule says otherwise.
    LOST_READING = 1215, Finding, "a reading is lost";
    /// A rule of the safety class commands a device that evl cannot write: it is behind no gateway of
    /// this host, has no profile, is only observed, is under local control, or its profile has no such
    /// command. The independent barrier of the rule, its `interlock`, is then the only one.
    SAFETY_UNWRITTEN = 1216, Finding, "a safety command that cannot be written";
    /// The point has no lease, so the value would stand for ever, and the profile does not call it safe
    /// to stay. Use a point with a lease, mark the command `stays: true`, or declare `fail_safe .. by
    /// none`: then `check` counts with the device's whole range.
    STAYS_FOR_EVER = 1217, Finding, "a value that would stay for ever";
    /// The profile says how many writes a day the memory behind a point bears, and they are used up
    /// (one is kept for an undo). Safety writes are made all the same.
    WRITE_BUDGET = 1218, Finding, "the write budget of a point is used up";
    /// The latch cannot be reset yet: on what the devices show now the rule's guard still holds, or its
    /// `until` does not. A reading that is lost counts as the rule's `on loss` says.
    STILL_LATCHED = 1219, Finding, "a latch that cannot be reset yet";
    /// The run was asked to end, by Ctrl-C or by the system, before everything was written. What was
    /// under way was finished and then undone, so that nothing is left half-done; what the safety class
    /// commanded stands. Asked a second time, evl ends at once: the journal then tells the next apply
    /// what to resume or undo.
    INTERRUPTED = 1220, Finding, "ended before everything was written";
    /// The device is declared `life_safety on` or `off`, and what is asked of it would move it away from
    /// that state: less power than it may have now, or off its bus; more, or on again. Whoever asks, it
    /// moves only towards its safe state. The other direction is for a person at the device itself.
    LIFE_SAFETY = 1221, Finding, "a `life_safety` device would leave its safe state";
    /// A device shows more or less than its declared range holds. The rules see the nearest end of the
    /// range, never the reading itself, so a rule that waits for more than the range holds does not act.
    /// See whether the device is right; if it is, declare the range that it can show.
    CLAMPED_READING = 1222, Finding, "a reading outside its declared range";
}
