//! Groups: members described by kind, tags, bus and more, kept as ranges.

use super::Compiler;
use std::collections::BTreeMap;

use super::collect::{Declared, Owned};
use super::guard::head_text;
use super::names::Entity;
use crate::ast::{self, CompareOp, Expr, ExprKind, Index, Name};
use crate::diag::{Diagnostic, Span, codes, nearest};
use crate::ir::{FamilyId, Group, GroupId, MemberRange, Role, Tag};
use crate::quantity::Rat;

/// Which devices have a value of a tag (or a kind), so that a group costs what it holds and not
/// what the site holds.
#[derive(Debug, Default)]
pub(super) struct TagIndex {
    by_value: BTreeMap<(String, Tag), Vec<FamilyId>>,
    /// tags that are the member's own index: equal to some number
    by_index: BTreeMap<String, Vec<FamilyId>>,
}

impl TagIndex {
    fn of(families: &[crate::ir::Family]) -> Self {
        let mut index = Self::default();
        for family in families {
            let kind = Tag::Text(family.kind.clone());
            index.by_value.entry(("kind".to_owned(), kind)).or_default().push(family.id);
            for (key, tag) in &family.tags {
                match tag {
                    Tag::Index => index.by_index.entry(key.clone()).or_default().push(family.id),
                    tag => index.by_value.entry((key.clone(), tag.clone())).or_default().push(family.id),
                }
            }
        }
        index
    }

    /// The families that can satisfy `key = value`; `None`: not a tag that is indexed.
    fn candidates(&self, key: &str, value: Tag) -> Option<Vec<FamilyId>> {
        if matches!(key, "name" | "role" | "profile" | "bus" | "gateway" | "index") {
            return None;
        }
        let mut found = match &value {
            Tag::Number(_) => self.by_index.get(key).cloned().unwrap_or_default(),
            _ => Vec::new(),
        };
        found.extend(self.by_value.get(&(key.to_owned(), value)).into_iter().flatten());
        found.sort_unstable();
        Some(found)
    }
}

/// Indices of one array, sorted and disjoint.
pub(super) type Indices = Vec<(u32, u32)>;

impl<'a> Compiler<'a> {
    /// Reads all groups; a group may name others in any order.
    pub(super) fn group_statements(&mut self, declared: &Declared<'a>) {
        let mut state = vec![State::Waiting; declared.groups.len()];
        self.tags = TagIndex::of(&self.site.families);
        for at in 0..declared.groups.len() {
            self.group_at(at, declared, &mut state, 0);
        }
    }

    fn group_at(
        &mut self,
        at: usize,
        declared: &Declared<'a>,
        state: &mut [State],
        depth: u32,
    ) -> Option<Vec<MemberRange>> {
        let owned = *declared.groups.get(at)?;
        match state.get(at).copied()? {
            State::Done => return self.site.groups.get(at).map(|g| g.members.clone()),
            State::Failed => return None,
            State::Busy => {
                let name = &owned.node.name;
                let finding = Diagnostic::error(
                    codes::DEFINITION_CYCLE,
                    name.span,
                    format!("the group `{}` is defined by itself", name.text),
                );
                self.push(finding.help("break the circle: one of the groups must name only devices"));
                return None;
            }
            State::Waiting => {}
        }
        if depth > 200 {
            self.error_help(
                codes::TOO_DEEP,
                owned.node.name.span,
                "groups name each other too deeply".to_owned(),
                "name the devices themselves in the innermost groups",
            );
            return None;
        }
        set(state, at, State::Busy);
        let members = self.group_members(&owned, declared, state, depth);
        let Some(members) = members else {
            set(state, at, State::Failed);
            return None;
        };
        if members.is_empty() {
            let name = &owned.node.name;
            let finding = Diagnostic::warning(
                codes::EMPTY_GROUP,
                name.span,
                format!("the group `{}` has no members", name.text),
            );
            self.push(
                finding.help("correct its condition, or waive this finding if its devices are still to come"),
            );
        }
        if let Some(group) = self.site.groups.get_mut(at) {
            group.members.clone_from(&members);
        }
        set(state, at, State::Done);
        Some(members)
    }

    fn group_members(
        &mut self,
        owned: &Owned<'a, ast::Group>,
        declared: &Declared<'a>,
        state: &mut [State],
        depth: u32,
    ) -> Option<Vec<MemberRange>> {
        let mut all: Vec<MemberRange> = Vec::new();
        let mut failed = false;
        let candidates = owned.node.condition.as_ref().and_then(|condition| self.candidates(condition));
        for name in &owned.node.members {
            match self.group_source(name, declared, state, depth, candidates.as_deref()) {
                Some(mut ranges) => all.append(&mut ranges),
                None => failed = true,
            }
        }
        let all = normal(all);
        let members = match &owned.node.condition {
            None => all,
            Some(condition) => {
                let mut kept = Vec::new();
                for range in all {
                    let own = vec![(range.first, range.last)];
                    match self.matching(condition, range.family, &own) {
                        Some(indices) => kept.extend(indices.into_iter().map(|(first, last)| MemberRange {
                            family: range.family,
                            first,
                            last,
                        })),
                        None => {
                            failed = true;
                            break;
                        }
                    }
                }
                if !failed && kept.is_empty() {
                    self.condition_words(condition);
                }
                normal(kept)
            }
        };
        (!failed).then_some(members)
    }

    fn group_source(
        &mut self,
        name: &Name,
        declared: &Declared<'a>,
        state: &mut [State],
        depth: u32,
        candidates: Option<&[FamilyId]>,
    ) -> Option<Vec<MemberRange>> {
        if let Some(word) = name.single()
            && let Some(role) = role(&word.text)
        {
            if let Some(candidates) = candidates {
                let families = candidates.iter().filter_map(|id| self.site.families.get(id.index()));
                let kept = families.filter(|f| role.is_none_or(|r| f.role == r));
                return Some(kept.map(crate::ir::Family::all).collect());
            }
            return Some(self.families_where(|f| role.is_none_or(|r| f.role == r)));
        }
        match self.names.find(name) {
            Some((Entity::Family(family), parts)) => {
                if parts < name.parts.len() {
                    self.wrong_kind(name, Entity::Family(family), "a device or an array");
                    return None;
                }
                self.family_members(family, name, parts).map(|range| vec![range])
            }
            Some((Entity::Group(group), parts)) if parts == name.parts.len() => {
                self.group_at(group.index(), declared, state, depth + 1)
            }
            Some((Entity::Broken, _)) => None,
            Some((other, _)) => {
                self.wrong_kind(name, other, "a device, an array or a group");
                None
            }
            None => {
                // `group hvacs = hvac`: all devices of a kind
                if let Some(word) = name.single()
                    && self.site.families.iter().any(|f| f.kind == word.text)
                {
                    return Some(self.families_where(|f| f.kind == word.text));
                }
                let text = name.text();
                self.unknown(&text, name.span, "the device or group");
                None
            }
        }
    }

    fn families_where(&self, keep: impl Fn(&crate::ir::Family) -> bool) -> Vec<MemberRange> {
        self.site.families.iter().filter(|f| keep(f)).map(crate::ir::Family::all).collect()
    }

    /// The fewest families that a condition's equalities leave, if it has any.
    fn candidates(&self, condition: &Expr) -> Option<Vec<FamilyId>> {
        match &condition.kind {
            ExprKind::And(parts) => {
                parts.iter().filter_map(|part| self.candidates(part)).min_by_key(Vec::len)
            }
            ExprKind::Compare(compare) if compare.op == CompareOp::Eq => {
                let ExprKind::Name(key) = &compare.left.kind else { return None };
                let value = match &compare.right.kind {
                    ExprKind::Name(name) => Tag::Text(name.text()),
                    ExprKind::Text(text) => Tag::Text(text.value.clone()),
                    ExprKind::Quantity(q) if q.unit.is_none() => Tag::Number(q.number.text.parse().ok()?),
                    _ => return None,
                };
                self.tags.candidates(&key.text(), value)
            }
            _ => None,
        }
    }

    /// Which of some members of a family satisfy a condition.
    fn matching(&mut self, condition: &Expr, family: FamilyId, all: &Indices) -> Option<Indices> {
        match &condition.kind {
            ExprKind::And(parts) => {
                let mut kept = all.clone();
                for part in parts {
                    kept = self.matching(part, family, &kept)?;
                }
                Some(kept)
            }
            ExprKind::Or(parts) => {
                let mut kept = Vec::new();
                for part in parts {
                    kept.extend(self.matching(part, family, all)?);
                }
                Some(union(kept))
            }
            ExprKind::Not(inner) => {
                let out = self.matching(inner, family, all)?;
                Some(without(all, &out))
            }
            ExprKind::Bool(value) => Some(if *value { all.clone() } else { Vec::new() }),
            ExprKind::Compare(compare) if compare.averaged.is_none() => {
                self.matching_one(&compare.left, compare.op, &compare.right, family, all)
            }
            ExprKind::In(left, set) => {
                let mut kept = Vec::new();
                for one in set {
                    kept.extend(self.matching_one(left, CompareOp::Eq, one, family, all)?);
                }
                Some(union(kept))
            }
            ExprKind::Between(parts) => {
                let (x, lo, hi) = parts.as_ref();
                let least = self.matching_one(x, CompareOp::Ge, lo, family, all)?;
                self.matching_one(x, CompareOp::Le, hi, family, &least)
            }
            _ => {
                let finding = Diagnostic::error(
                    codes::TYPE_MISMATCH,
                    condition.span,
                    "a group's condition compares a tag, `kind`, `bus`, `gateway`, `name` or `index`"
                        .to_owned(),
                );
                self.push(finding.help("write, for example, `kind = ev_charger and tenant = acme`"));
                None
            }
        }
    }

    fn matching_one(
        &mut self,
        left: &Expr,
        op: CompareOp,
        right: &Expr,
        family: FamilyId,
        all: &Indices,
    ) -> Option<Indices> {
        let ExprKind::Name(key) = &left.kind else {
            self.error_help(
                codes::TYPE_MISMATCH,
                left.span,
                "the name of a tag is needed here".to_owned(),
                "write the tag first: `where floor = 3`",
            );
            return None;
        };
        let key = key.text();
        let wanted = self.tag_value(right)?;
        let found = {
            let f = self.site.families.get(family.index())?;
            match key.as_str() {
                "kind" => Some(Tag::Text(f.kind.clone())),
                "name" => Some(Tag::Text(f.name.clone())),
                "role" => Some(Tag::Text(role_word(f.role).to_owned())),
                "profile" => f.profile.clone().map(Tag::Text),
                "bus" => {
                    f.bus.and_then(|b| self.site.buses.get(b.index())).map(|b| Tag::Text(b.name.clone()))
                }
                "gateway" => f
                    .gateway
                    .and_then(|g| self.site.gateways.get(g.index()))
                    .map(|g| Tag::Text(g.name.clone())),
                "index" => Some(Tag::Index),
                _ => f.tags.get(&key).cloned(),
            }
        };
        // a device without the tag is not equal to any value of it
        let Some(found) = found else {
            return Some(if op == CompareOp::Ne { all.clone() } else { Vec::new() });
        };
        let kept = match (found, wanted) {
            (Tag::Index, Tag::Number(n)) => by_index(all, op, &n),
            (Tag::Text(a), Tag::Text(b)) => match op {
                CompareOp::Eq => whole(all, a == b),
                CompareOp::Ne => whole(all, a != b),
                _ => {
                    self.error_help(
                        codes::TYPE_MISMATCH,
                        left.span.to(right.span),
                        format!("words are not ordered, so `{}` cannot compare them", op.sign()),
                        "compare words with `=` or `!=`",
                    );
                    return None;
                }
            },
            (Tag::Number(a), Tag::Number(b)) => whole(all, compared(&a, op, &b)),
            // a word is never a number
            _ => whole(all, op == CompareOp::Ne),
        };
        Some(kept)
    }

    fn tag_value(&mut self, expr: &Expr) -> Option<Tag> {
        match &expr.kind {
            ExprKind::Name(name) => Some(Tag::Text(name.text())),
            ExprKind::Text(text) => Some(Tag::Text(text.value.clone())),
            ExprKind::Quantity(q) if q.unit.is_none() => self.number(&q.number).map(Tag::Number),
            _ => {
                self.error_help(
                    codes::TYPE_MISMATCH,
                    expr.span,
                    "a word or a number is needed here".to_owned(),
                    "write, for example, `where tenant = blue` or `where floor = 3`",
                );
                None
            }
        }
    }

    /// In a condition that matched nothing, words that no device has are probably slips.
    fn condition_words(&mut self, condition: &Expr) {
        match &condition.kind {
            ExprKind::And(parts) | ExprKind::Or(parts) => {
                for part in parts {
                    self.condition_words(part);
                }
            }
            ExprKind::Compare(compare) => {
                let ExprKind::Name(key) = &compare.left.kind else { return };
                let key = key.text();
                let fixed = ["kind", "name", "role", "profile", "bus", "gateway", "index"];
                if fixed.contains(&key.as_str())
                    || self.site.families.iter().any(|f| f.tags.contains_key(&key))
                {
                    return;
                }
                let tags: Vec<String> =
                    self.site.families.iter().flat_map(|f| f.tags.keys().cloned()).collect();
                let finding = Diagnostic::error(
                    codes::UNKNOWN_NAME,
                    compare.left.span,
                    format!("no device has a tag `{key}`"),
                );
                let known = fixed.iter().copied().chain(tags.iter().map(String::as_str));
                self.push(match nearest(&key, known) {
                    Some(near) => finding.help(format!("did you mean `{near}`?")),
                    None => finding.help("tags are given to devices: `tags { tenant: acme, floor: 0 }`"),
                });
            }
            _ => {}
        }
    }

    /// The members of a family that a path names: all, one, or some.
    pub(super) fn family_members(
        &mut self,
        family: FamilyId,
        name: &Name,
        parts: usize,
    ) -> Option<MemberRange> {
        let f = self.site.families.get(family.index())?;
        let (len, array, place, family_name) = (f.len(), f.count.is_some(), f.span, f.name.clone());
        let part = name.parts.get(parts.saturating_sub(1))?;
        let all = MemberRange { family, first: 1, last: len };
        let (first, last, span) = match &part.index {
            None => return Some(all),
            Some(Index::One(n)) => {
                let value = self.whole(n, u32::MAX)?;
                (value, value, n.span)
            }
            Some(Index::Range(range)) => {
                let (a, b) = (self.whole(&range.first, u32::MAX), self.whole(&range.last, u32::MAX));
                (a?, b?, range.span)
            }
        };
        if !array {
            let finding = Diagnostic::error(
                codes::INDEX_OUT_OF_RANGE,
                span,
                format!("`{family_name}` is one device and has no indices"),
            )
            .label(place, "declared here");
            self.push(finding);
            return None;
        }
        if first > last {
            self.error_help(
                codes::REVERSED_RANGE,
                span,
                "the range of indices is reversed".to_owned(),
                "write the lower index first",
            );
            return None;
        }
        if first < 1 || last > len {
            let finding = Diagnostic::error(
                codes::INDEX_OUT_OF_RANGE,
                span,
                format!("`{family_name}` has members 1 to {len}"),
            )
            .label(place, "declared here");
            self.push(finding.help("indices begin with 1, and both ends of a range belong to it"));
            return None;
        }
        Some(MemberRange { family, first, last })
    }

    /// The members of a group that a path names with indices: groups have none.
    pub(super) fn indexed_members(&mut self, name: &Name, parts: usize) -> Option<Option<Vec<MemberRange>>> {
        let part = name.parts.get(parts.saturating_sub(1))?;
        if part.index.is_some() {
            let head = head_text(name, parts);
            self.error(
                codes::INDEX_OUT_OF_RANGE,
                name.span,
                format!("`{head}`: a group has no indices, only arrays have"),
            );
            return None;
        }
        Some(None)
    }

    /// A group without a name of its own, the same one for the same members.
    pub(super) fn anonymous_group(&mut self, members: Vec<MemberRange>, text: &str, span: Span) -> GroupId {
        let members = normal(members);
        if let Some(known) = self.anonymous.get(&members) {
            return *known;
        }
        let id = GroupId::at(self.site.groups.len());
        self.site.groups.push(Group { id, name: text.to_owned(), members: members.clone(), span });
        self.anonymous.insert(members, id);
        id
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Waiting,
    Busy,
    Done,
    Failed,
}

fn set(state: &mut [State], at: usize, to: State) {
    if let Some(slot) = state.get_mut(at) {
        *slot = to;
    }
}

/// `consumer`, `producer`, ...; `device`: every role.
fn role(word: &str) -> Option<Option<Role>> {
    Some(match word {
        "producer" | "producers" => Some(Role::Producer),
        "consumer" | "consumers" => Some(Role::Consumer),
        "storage" | "stores" => Some(Role::Storage),
        "control" | "controls" => Some(Role::Control),
        "slot" | "slots" => Some(Role::Slot),
        "device" | "devices" => None,
        _ => return None,
    })
}

const fn role_word(role: Role) -> &'static str {
    match role {
        Role::Producer => "producer",
        Role::Consumer => "consumer",
        Role::Storage => "storage",
        Role::Control => "control",
        Role::Slot => "slot",
    }
}

/// Sorted and disjoint.
pub(super) fn normal(mut ranges: Vec<MemberRange>) -> Vec<MemberRange> {
    ranges.sort_unstable();
    let mut out: Vec<MemberRange> = Vec::with_capacity(ranges.len());
    for range in ranges {
        match out.last_mut() {
            Some(last) if last.family == range.family && range.first <= last.last.saturating_add(1) => {
                last.last = last.last.max(range.last);
            }
            _ => out.push(range),
        }
    }
    out
}

pub(super) fn union(mut indices: Indices) -> Indices {
    indices.sort_unstable();
    let mut out: Indices = Vec::with_capacity(indices.len());
    for (first, last) in indices {
        match out.last_mut() {
            Some((_, end)) if first <= end.saturating_add(1) => *end = (*end).max(last),
            _ => out.push((first, last)),
        }
    }
    out
}

pub(super) fn without(all: &Indices, gone: &Indices) -> Indices {
    let mut out = Vec::new();
    for (first, last) in all {
        let mut from = *first;
        for (a, b) in gone {
            if *b < from || *a > *last {
                continue;
            }
            if *a > from {
                out.push((from, a - 1));
            }
            from = b.saturating_add(1);
        }
        if from <= *last {
            out.push((from, *last));
        }
    }
    out
}

fn whole(all: &Indices, keep: bool) -> Indices {
    if keep { all.clone() } else { Vec::new() }
}

fn compared(a: &Rat, op: CompareOp, b: &Rat) -> bool {
    match op {
        CompareOp::Eq => a == b,
        CompareOp::Ne => a != b,
        CompareOp::Lt => a < b,
        CompareOp::Le => a <= b,
        CompareOp::Gt => a > b,
        CompareOp::Ge => a >= b,
    }
}

/// Members by their own index.
fn by_index(all: &Indices, op: CompareOp, n: &Rat) -> Indices {
    let clamp = |value: Rat| -> u32 {
        let value = value.to_i64().unwrap_or(if value.is_negative() { 0 } else { i64::from(u32::MAX) });
        u32::try_from(value.max(0)).unwrap_or(u32::MAX)
    };
    let exact = n.to_i64().and_then(|v| u32::try_from(v).ok());
    let within = |first: u32, last: u32| -> Indices {
        all.iter()
            .filter_map(|(a, b)| {
                let (lo, hi) = ((*a).max(first), (*b).min(last));
                (lo <= hi).then_some((lo, hi))
            })
            .collect()
    };
    match op {
        CompareOp::Eq => exact.map_or_else(Vec::new, |v| within(v, v)),
        CompareOp::Ne => match exact {
            None => all.clone(),
            Some(v) => without(all, &vec![(v, v)]),
        },
        CompareOp::Ge => within(clamp(n.ceil()), u32::MAX),
        CompareOp::Gt => within(clamp(&n.floor() + &Rat::ONE), u32::MAX),
        CompareOp::Le => {
            if n.is_negative() {
                Vec::new()
            } else {
                within(0, clamp(n.floor()))
            }
        }
        CompareOp::Lt => {
            if n.is_positive() {
                within(0, clamp(&n.ceil() - &Rat::ONE))
            } else {
                Vec::new()
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn indices_are_cut_and_joined() {
        let all = vec![(1, 10)];
        assert_eq!(without(&all, &vec![(3, 4), (10, 10)]), [(1, 2), (5, 9)]);
        assert_eq!(union(vec![(5, 6), (1, 2), (3, 4)]), [(1, 6)]);
        assert_eq!(by_index(&all, CompareOp::Lt, &Rat::int(3)), [(1, 2)]);
        assert_eq!(by_index(&all, CompareOp::Gt, &Rat::ratio(5, 2).unwrap()), [(3, 10)]);
        assert_eq!(by_index(&all, CompareOp::Ne, &Rat::int(1)), [(2, 10)]);
        assert_eq!(by_index(&all, CompareOp::Eq, &Rat::ratio(1, 2).unwrap()), []);
    }
}
