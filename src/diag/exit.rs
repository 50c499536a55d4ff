//! The exit codes of every verb, in one place.

/// How a run ended, as the number that the shell sees.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum ExitCode {
    /// no errors; plan written; apply verified, or nothing to do
    Success = 0,
    /// findings; plan infeasible; apply refused and nothing was written
    Findings = 1,
    /// tool, usage or input failure, "no policy found" included
    Failure = 2,
    /// the solver gave up on something that is named; a plan whose gap is above `max_gap`
    Inconclusive = 3,
    /// apply: everything written was undone
    Undone = 4,
    /// apply: an excluded device, or a safety write that stands after an undo
    Partial = 5,
    /// apply: the state of something listed is unknown
    Unknown = 6,
}

impl ExitCode {
    /// All codes, least number first.
    pub const ALL: [Self; 7] = [
        Self::Success,
        Self::Findings,
        Self::Failure,
        Self::Inconclusive,
        Self::Undone,
        Self::Partial,
        Self::Unknown,
    ];

    /// The number that the shell sees.
    #[must_use]
    pub const fn number(self) -> u8 {
        self as u8
    }

    /// The one that stands when two parts of a run ended differently: 2, then 1, then 3, then 0.
    /// Once hardware may have changed (4 to 6) that outcome stands, the gravest first.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        if self.rank() >= other.rank() { self } else { other }
    }

    const fn rank(self) -> u8 {
        match self {
            Self::Success => 0,
            Self::Inconclusive => 1,
            Self::Findings => 2,
            Self::Failure => 3,
            Self::Undone => 4,
            Self::Partial => 5,
            Self::Unknown => 6,
        }
    }
}

impl From<ExitCode> for std::process::ExitCode {
    fn from(code: ExitCode) -> Self {
        Self::from(code.number())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_the_published_ones() {
        let table: Vec<String> =
            ExitCode::ALL.iter().map(|code| format!("{} {code:?}", code.number())).collect();
        insta::assert_snapshot!(table.join("\n"), @r"
        0 Success
        1 Findings
        2 Failure
        3 Inconclusive
        4 Undone
        5 Partial
        6 Unknown
        ");
    }

    #[test]
    fn failure_beats_findings_beats_inconclusive_beats_success() {
        let order = [ExitCode::Failure, ExitCode::Findings, ExitCode::Inconclusive, ExitCode::Success];
        for (at, stronger) in order.iter().enumerate() {
            for weaker in &order[at..] {
                assert_eq!(stronger.and(*weaker), *stronger);
                assert_eq!(weaker.and(*stronger), *stronger);
            }
        }
        assert_eq!(ExitCode::Findings.and(ExitCode::Partial), ExitCode::Partial);
    }
}
