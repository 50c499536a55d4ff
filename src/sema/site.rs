//! The `site` statement, priorities, objective and assumptions: what the rest stands on.

use super::Compiler;
use super::collect::{Declared, Owned};
use super::props::{Args, Props};
use crate::ast::{self, ArgKind, Declaration, Expr, ExprKind};
use crate::diag::{Diagnostic, Span, codes};
use crate::ir::{
    self, Assumption, CivilDate, Class, ClassId, Goal, Location, NoPlan, Objective, ObjectiveLevel,
    Principal, PrincipalKind, Signatures, StepRun,
};
use crate::quantity::{Rat, Type};

impl<'a> Compiler<'a> {
    /// Reads `site` and `priorities`, files and settings.
    pub(super) fn site_statement(&mut self, declared: &Declared<'a>) {
        self.site.edition = declared.edition.map_or(2026, |(edition, _)| edition);
        match declared.site {
            Some(owned) => self.read_site(owned),
            None => {
                if !self.has_unread_statements() {
                    let span = self.site.span;
                    let finding = Diagnostic::error(
                        codes::MISSING_PROPERTY,
                        Span::file(span.source),
                        "no file declares the `site`".to_owned(),
                    );
                    self.push(finding.help(
                        "add `site NAME { timezone \"Europe/Berlin\", currency EUR, step 15 min, horizon 24 h, valid 2026-01-01 .. 2026-12-31 }`",
                    ));
                }
            }
        }
        self.classes(declared);
        self.settings();
    }

    fn read_site(&mut self, owned: Owned<'a, Declaration>) {
        let node = owned.node;
        let Some(name) = &node.name else { return };
        self.site.name = name.text.clone();
        self.site.span = name.span;
        let mut props =
            Props::new(format!("the site `{}`", name.text), name.span, node.complete, &node.properties);
        let props = &mut props;
        // the currency first: other values are written in it
        if let Some(args) = self.need(props, "currency", "currency EUR") {
            self.read_currency(args);
        }
        if let Some(mut args) = self.need(props, "timezone", "timezone \"Europe/Berlin\"")
            && let Some((zone, span)) = self.arg_text(&mut args, "the name of a time zone in quotes")
        {
            self.end(&args);
            self.read_timezone(zone, span);
        }
        if let Some(mut args) = self.take(props, "location") {
            self.read_location(&mut args);
        }
        if let Some(args) = self.need(props, "step", "step 15 min") {
            self.read_steps(args);
        }
        if let Some(args) = self.need(props, "horizon", "horizon 24 h") {
            let span = args.here();
            if let Some(value) = self.amount(args, Type::Duration)
                && let Some(seconds) = self.positive_seconds(&value, span)
            {
                self.site.horizon_s = seconds;
            }
        }
        self.step_count();
        if let Some(mut args) = self.need(props, "valid", "valid 2026-01-01 .. 2026-12-31") {
            self.read_valid(&mut args);
        }
        if let Some(mut args) = self.take(props, "holidays")
            && let Some((path, span)) = self.arg_text(&mut args, "the path of a list in quotes")
        {
            self.end(&args);
            self.read_holidays(&path, span);
        }
        for mut args in props.all("on") {
            self.read_on(&mut args);
        }
        // read when the devices are known
        let _later = props.all("emergency");
        if let Some(mut args) = self.take(props, "signatures") {
            match args.word().map(|w| w.text.as_str()) {
                Some("none") => self.site.signatures = Signatures::None,
                Some("required") => self.site.signatures = Signatures::Required,
                _ => self.bad_value(&args, "`none` or `required`"),
            }
            self.end(&args);
        }
        let props = std::mem::replace(props, Props::new(String::new(), name.span, true, &[]));
        self.finish(props);
    }

    fn read_currency(&mut self, mut args: Args<'a>) {
        match args.word() {
            Some(word) if word.text.len() == 3 && word.text.bytes().all(|b| b.is_ascii_uppercase()) => {
                self.currency = word.text.clone();
                self.currency_known = true;
                self.currency_span = Some(word.span);
                self.site.currency = word.text.clone();
                self.end(&args);
            }
            Some(word) => {
                let finding = Diagnostic::error(
                    codes::CURRENCY,
                    word.span,
                    format!("`{}` is no currency code", word.text),
                );
                self.push(finding.help("currencies are written as three capital letters: `EUR`, `USD`"));
            }
            None => self.bad_value(&args, "a currency code such as `EUR`"),
        }
    }

    fn read_timezone(&mut self, zone: String, span: Span) {
        if jiff::tz::TimeZone::get(&zone).is_ok() {
            self.site.timezone = zone;
            return;
        }
        let finding =
            Diagnostic::error(codes::IMPOSSIBLE_LITERAL, span, format!("there is no time zone `{zone}`"));
        let known: Vec<String> = jiff::tz::db().available().map(|name| name.to_string()).collect();
        self.push(match crate::diag::nearest(&zone, known.iter().map(String::as_str)) {
            Some(near) => finding.help(format!("did you mean `{near}`?")),
            None => finding.help("zones are named as in `America/New_York` or `Europe/Berlin`"),
        });
    }

    fn read_location(&mut self, args: &mut Args<'a>) {
        let Some(ArgKind::Location(latitude, longitude)) = args.peek().map(|a| &a.kind) else {
            self.bad_value(args, "a place such as `42.36 N 71.05 W`");
            return;
        };
        args.next();
        self.end(args);
        let (north, east) = (self.number(latitude), self.number(longitude));
        let (Some(north), Some(east)) = (north, east) else { return };
        for (value, most, span, what) in
            [(&north, 90, latitude.span, "latitude"), (&east, 180, longitude.span, "longitude")]
        {
            if value.abs() > Rat::int(most) {
                self.error_help(
                    codes::IMPOSSIBLE_LITERAL,
                    span,
                    format!("a {what} is at most {most} degrees"),
                    "write latitude and longitude in degrees: `52.5 N 13.4 E`",
                );
                return;
            }
        }
        self.site.location = Some(Location { latitude: north, longitude: east });
    }

    fn read_steps(&mut self, mut args: Args<'a>) {
        if let Some(ArgKind::Steps(runs)) = args.peek().map(|a| &a.kind) {
            args.next();
            self.end(&args);
            let mut steps = Vec::new();
            for run in runs {
                let count = self.whole(&run.count, 1_000_000);
                let length = self.seconds(&run.length);
                if count == Some(0) {
                    self.error_help(
                        codes::IMPOSSIBLE_LITERAL,
                        run.span,
                        "a run has at least one step".to_owned(),
                        "write, for example, `step 4 x 15 min`",
                    );
                    return;
                }
                let (Some(count), Some(length_s)) = (count, length) else { return };
                steps.push(StepRun { count: Some(count), length_s });
            }
            // what the list leaves of the horizon goes on with its last length
            if let Some(last) = steps.last().map(|run: &StepRun| run.length_s) {
                steps.push(StepRun { count: None, length_s: last });
            }
            self.site.step = steps;
            return;
        }
        let span = args.here();
        if let Some(value) = self.amount(args, Type::Duration)
            && let Some(length_s) = self.positive_seconds(&value, span)
        {
            self.site.step = vec![StepRun { count: None, length_s }];
        }
    }

    /// A horizon of more steps than any plan can have is a slip of the pen.
    fn step_count(&mut self) {
        const MOST: i64 = 1_000_000;
        let mut left = self.site.horizon_s;
        let mut steps: i64 = 0;
        for run in &self.site.step {
            let fit = left.checked_div(run.length_s).unwrap_or(0).saturating_add(1);
            let count = run.count.map_or(fit, |count| i64::from(count).min(fit));
            steps = steps.saturating_add(count);
            left = left.saturating_sub(count.saturating_mul(run.length_s)).max(0);
        }
        if steps > MOST {
            let finding = Diagnostic::error(
                codes::OUT_OF_RANGE,
                self.site.span,
                format!("the horizon has more than {MOST} steps"),
            );
            self.push(finding.help("shorten the `horizon`, or lengthen the `step`"));
        }
    }

    fn read_valid(&mut self, args: &mut Args<'a>) {
        let Some(ArgKind::Dates(first, last)) = args.peek().map(|a| &a.kind) else {
            self.bad_value(args, "two dates: `2026-01-01 .. 2026-12-31`");
            return;
        };
        let span = args.here();
        args.next();
        self.end(args);
        let (first, last) = (self.date(first), self.date(last));
        let (Some(first), Some(last)) = (first, last) else { return };
        if first > last {
            let finding = Diagnostic::error(
                codes::REVERSED_RANGE,
                span,
                format!("`valid` ends on {last}, before it begins on {first}"),
            );
            self.push(finding.help("write the earlier date first"));
            return;
        }
        if i32::from(last.year) - i32::from(first.year) > 50 {
            self.error_help(
                codes::IMPOSSIBLE_LITERAL,
                span,
                "a policy is valid for at most 50 years".to_owned(),
                "choose a nearer last day, and renew the policy",
            );
            return;
        }
        self.site.valid = (first, last);
    }

    fn read_on(&mut self, args: &mut Args<'a>) {
        if !args.eat("no_plan") {
            self.bad_value(args, "`no_plan release`");
            return;
        }
        match args.word() {
            Some(word) if word.text == "release" => self.site.on_no_plan = NoPlan::Release,
            // without a plan nothing renews a command, so that it lapses as its device declares
            Some(word) if word.text == "hold" => {
                self.site.on_no_plan = NoPlan::Hold;
                self.unhonoured("`on no_plan hold`", word.span, true, true);
            }
            _ => {
                self.bad_value(args, "`no_plan release`");
                return;
            }
        }
        self.end(args);
    }

    fn read_holidays(&mut self, path: &str, span: Span) {
        let file = match self.repository.data(path, span) {
            Ok(file) => file,
            Err(finding) => {
                self.push(*finding);
                return;
            }
        };
        let mut days = Vec::new();
        for (at, line) in file.text.lines().enumerate() {
            let field = line.split([',', ';']).next().unwrap_or("").trim().trim_matches('"');
            if field.is_empty() || field.starts_with('#') {
                continue;
            }
            match iso_date(field) {
                Some(date) => days.push(date),
                // the first line may name the columns
                None if at == 0 => {}
                None => {
                    self.error_help(
                        codes::FEED,
                        span,
                        format!("line {} of `{path}` does not begin with a date", at + 1),
                        "write one day on each line, as `2026-12-25`",
                    );
                    return;
                }
            }
        }
        days.sort_unstable();
        days.dedup();
        self.site.holidays = days;
        let (first, last) = self.site.valid;
        for year in first.year..=last.year {
            if !self.site.holidays.iter().any(|d| d.year == year) {
                let finding = Diagnostic::error(
                    codes::FEED,
                    span,
                    format!("`{path}` has no holiday in {year}, and the policy is valid then"),
                );
                self.push(finding.help("a list of holidays covers every year of `valid`"));
                return;
            }
        }
    }

    /// Whether the site really has no list of holidays (and not a faulty one).
    pub(super) fn site_holidays_missing(&self) -> bool {
        !self
            .findings
            .iter()
            .any(|f| f.code == codes::FEED || f.code == codes::UNREADABLE || f.code == codes::PATH_ESCAPE)
    }

    /// Whether the site really has no location (and not a faulty one).
    pub(super) fn site_location_missing(&self) -> bool {
        !self.findings.iter().any(|f| {
            f.code == codes::IMPOSSIBLE_LITERAL
                && (f.message.contains("latitude") || f.message.contains("longitude"))
        })
    }

    fn classes(&mut self, declared: &Declared<'a>) {
        let Some((words, span)) = declared.priorities else {
            if !self.has_unread_statements() {
                let finding = Diagnostic::error(
                    codes::MISSING_PROPERTY,
                    self.site.span,
                    "the site has no `priorities`".to_owned(),
                );
                self.push(
                    finding.help("add `priorities safety > contract > comfort > economy`, highest first"),
                );
            }
            return;
        };
        let _ = span;
        for word in words {
            if let Some(earlier) = self.site.classes.iter().find(|c| c.name == word.text) {
                let finding = Diagnostic::error(
                    codes::DUPLICATE_NAME,
                    word.span,
                    format!("the class `{}` stands twice", word.text),
                )
                .label(earlier.span, "first here");
                self.push(finding);
                continue;
            }
            self.site.classes.push(Class { name: word.text.clone(), span: word.span });
        }
    }

    /// The class that a statement names with `in`.
    pub(super) fn class(&mut self, class: Option<&ast::Ident>, what: &str, span: Span) -> Option<ClassId> {
        let Some(word) = class else {
            let finding = Diagnostic::error(codes::UNKNOWN_CLASS, span, format!("{what} names no class"));
            let lowest = self.site.classes.last().map_or_else(|| "economy".to_owned(), |c| c.name.clone());
            self.push(finding.help(format!("write, for example, `in {lowest}` behind its name")));
            return None;
        };
        if let Some(at) = self.site.classes.iter().position(|c| c.name == word.text) {
            return Some(ClassId::at(at));
        }
        if self.site.classes.is_empty() {
            return None;
        }
        let finding =
            Diagnostic::error(codes::UNKNOWN_CLASS, word.span, format!("there is no class `{}`", word.text));
        let known: Vec<&str> = self.site.classes.iter().map(|c| c.name.as_str()).collect();
        let finding = match crate::diag::nearest(&word.text, known.iter().copied()) {
            Some(near) => finding.help(format!("did you mean `{near}`?")),
            None => finding.help(format!("the site's `priorities` are {}", super::props::listed(&known))),
        };
        self.push(finding);
        None
    }

    /// The class of a statement, which its owner must have been granted (semantics.md 20).
    pub(super) fn granted_class(
        &mut self,
        class: Option<&ast::Ident>,
        what: &str,
        span: Span,
    ) -> Option<ClassId> {
        let id = self.class(class, what, span)?;
        let Some(owner) = self.site.principals.get(self.owner.index()) else { return Some(id) };
        if owner.kind == PrincipalKind::Owner || owner.classes.contains(&id) {
            return Some(id);
        }
        let place = class.map_or(span, |c| c.span);
        let name = self.site.classes.get(id.index()).map(|c| c.name.clone()).unwrap_or_default();
        let granted: Vec<&str> = owner
            .classes
            .iter()
            .filter_map(|c| self.site.classes.get(c.index()).map(|c| c.name.as_str()))
            .collect();
        let finding = Diagnostic::error(
            codes::NOT_IN_OWNED_FILE,
            place,
            format!("`{}` may not speak in the class `{name}`", owner.name),
        )
        .label(owner.span, format!("`{}` is declared here", owner.name))
        .help(format!("it is granted {}", super::props::listed(&granted)));
        self.push(finding);
        None
    }

    fn settings(&mut self) {
        let manifest = &self.repository.manifest;
        self.site.settings = manifest.settings.clone();
        if let Some((_, span)) = &manifest.max_change {
            self.unhonoured("`max_change`", *span, false, true);
        }
        for (feed, (_, span)) in &manifest.inputs {
            if self.names.feed(feed).is_some() || self.has_unread_statements() {
                continue;
            }
            let finding = Diagnostic::error(
                codes::YAML_KEY,
                *span,
                format!("`inputs` names `{feed}`, which is no feed"),
            );
            let near = self.names.near_feed(feed).map(str::to_owned);
            self.push(match near {
                Some(near) => finding.help(format!("did you mean `{near}`?")),
                None => finding.help("name feeds as the policy declares them"),
            });
        }
        if let Some((name, span)) = &manifest.site
            && !self.site.name.is_empty()
            && *name != self.site.name
        {
            let declared = &self.site.name;
            let finding = Diagnostic::error(
                codes::YAML_VALUE,
                *span,
                format!("the manifest is of the site `{name}`, and the policy declares `{declared}`"),
            );
            let finding = finding.label(self.site.span, format!("`{declared}` is declared here"));
            self.push(finding.help(format!("write `site: {declared}`")));
        }
    }

    /// Principals and files.
    pub(super) fn principals(&mut self, declared: &Declared<'a>) {
        let all: Vec<ClassId> = (0..self.site.classes.len()).map(ClassId::at).collect();
        let lowest: Vec<ClassId> = all.last().copied().into_iter().collect();
        self.site.principals.push(Principal {
            id: ir::OWNER,
            name: "site".to_owned(),
            kind: PrincipalKind::Owner,
            classes: all,
            active_until: None,
            key: None,
            span: self.site.span,
        });
        for (kind, name, node) in &declared.principals {
            let id = ir::PrincipalId::at(self.site.principals.len());
            let mut principal = Principal {
                id,
                name: name.text.clone(),
                kind: *kind,
                classes: lowest.clone(),
                active_until: None,
                key: None,
                span: name.span,
            };
            if let Some(owned) = node {
                self.read_principal(owned.node, &mut principal);
            }
            self.granted_by_base(&mut principal, &lowest);
            self.site.principals.push(principal);
        }
        for file in &self.repository.files {
            let owner = file.owner.as_deref().and_then(|name| {
                self.site.principals.iter().find(|p| p.name == name && p.id != ir::OWNER).map(|p| p.id)
            });
            self.site.files.push(ir::SourceFile {
                path: file.path.clone(),
                sha256: file.sha256.clone(),
                owner: owner.unwrap_or(ir::OWNER),
            });
        }
    }

    /// What a change grants counts only once it is accepted.
    fn granted_by_base(&self, principal: &mut Principal, lowest: &[ClassId]) {
        let Some(base) = &self.repository.base else { return };
        if principal.kind == PrincipalKind::Role {
            return;
        }
        let Some(grant) = base.grants.get(&principal.name) else {
            principal.classes = lowest.to_vec();
            return;
        };
        let class = |name: &String| self.site.classes.iter().position(|class| class.name == *name);
        principal.classes = grant.classes.iter().filter_map(class).map(ClassId::at).collect();
        principal.classes.sort_unstable();
        principal.active_until = grant.active_until;
    }

    fn read_principal(&mut self, node: &'a Declaration, principal: &mut Principal) {
        let what = format!("the {} `{}`", node.keyword.word(), principal.name);
        let mut props = Props::new(what, principal.span, node.complete, &node.properties);
        if let Some(mut args) = self.take(&mut props, "classes") {
            let mut classes = Vec::new();
            while let Some(arg) = args.next() {
                let names: Vec<&ast::Name> = match &arg.kind {
                    ArgKind::List(names) => names.iter().collect(),
                    ArgKind::Value(Expr { kind: ExprKind::Name(name), .. }) => vec![name],
                    _ => {
                        self.error(
                            codes::TYPE_MISMATCH,
                            arg.span,
                            "`classes` needs names of classes".to_owned(),
                        );
                        continue;
                    }
                };
                for name in names {
                    if let Some(word) = name.single()
                        && let Some(class) = self.class(Some(word), "this", word.span)
                    {
                        classes.push(class);
                    }
                }
            }
            classes.sort_unstable();
            classes.dedup();
            principal.classes = classes;
        }
        if let Some(mut args) = self.take(&mut props, "account") {
            args.eat("active");
            if args.eat("until") {
                match args.next().map(|a| &a.kind) {
                    Some(ArgKind::Value(Expr { kind: ExprKind::Date(date), .. })) => {
                        principal.active_until = self.date(date);
                    }
                    _ => self.bad_value(&args, "a date: `account active until 2027-01-01`"),
                }
            } else if args.eat("inactive") {
                // an account that ended before every policy
                principal.active_until = Some(CivilDate { year: 1900, month: 1, day: 1 });
            }
            self.end(&args);
        }
        if let Some(mut args) = self.take(&mut props, "key")
            && let Some((key, span)) = self.arg_text(&mut args, "a public key in quotes")
        {
            if !key.starts_with("ed25519:") && !key.starts_with("untrusted comment:") {
                let finding = Diagnostic::error(codes::SIGNATURE, span, "this is no public key".to_owned());
                self.push(finding.help("keys are written `\"ed25519:..\"`, as `evl key` prints them"));
            }
            principal.key = Some(key);
            self.end(&args);
        }
        for key in ["share", "shares"] {
            if let Some(args) = self.take(&mut props, key) {
                let text = self.text(args.span());
                self.unhonoured(format!("a tenant's share (`{text}`)"), args.span(), true, false);
            }
        }
        self.finish(props);
    }

    /// The site's emergency condition and the assumptions: they speak about devices.
    pub(super) fn site_conditions(&mut self, declared: &Declared<'a>) {
        if let Some(owned) = declared.site {
            let node = owned.node;
            let mut found = None;
            for property in &node.properties {
                if property.key.as_ref().is_none_or(|k| k.text != "emergency") {
                    continue;
                }
                if found.is_some() {
                    self.error_help(
                        codes::DUPLICATE_PROPERTY,
                        property.span,
                        "the site has `emergency` twice".to_owned(),
                        "join the two conditions by `or`",
                    );
                    continue;
                }
                let mut args = Args::new(property);
                match args.next().map(|a| &a.kind) {
                    Some(ArgKind::When(expr)) => found = Some(self.guard(expr)),
                    _ => self.error(
                        codes::TYPE_MISMATCH,
                        property.span,
                        "`emergency` needs a condition: `emergency when fire_panel.alarm`".to_owned(),
                    ),
                }
                self.end(&args);
            }
            self.site.emergency = found.map(|guard| guard.unwrap_or(ir::Guard::Const(false)));
        }
        for owned in &declared.assumptions {
            let node = owned.node;
            self.owner = owned.owner;
            let guard = self.guard(&node.condition);
            let during = self.sched_or_always(node.during.as_ref());
            let (Some(guard), Some(during)) = (guard, during) else { continue };
            let text = self.text(owned.span);
            self.site.assumptions.push(Assumption { guard, during, text, span: owned.span });
        }
    }

    /// `objective minimise cost within 0.5 %, then emissions`.
    pub(super) fn objective_statement(&mut self, declared: &Declared<'a>) {
        let default = vec![ObjectiveLevel { goal: Goal::Cost, within: None }];
        let Some(owned) = declared.objective else {
            self.site.objective = Objective { levels: default, span: self.site.span };
            return;
        };
        let mut levels: Vec<ObjectiveLevel> = Vec::new();
        for level in &owned.node.levels {
            if level.direction == ast::Direction::Maximise {
                self.error_help(
                    codes::TYPE_MISMATCH,
                    level.span,
                    "everything in `objective` is minimised".to_owned(),
                    "write `minimise` with what is to be small",
                );
            }
            let word = level.quantity.text();
            let goal = match word.as_str() {
                "cost" => Goal::Cost,
                "emissions" => Goal::Emissions,
                "switching" => Goal::Switching,
                "import" => Goal::Import,
                "peak" => Goal::Peak,
                _ => {
                    let known = ["cost", "emissions", "switching", "import", "peak"];
                    let finding = Diagnostic::error(
                        codes::UNKNOWN_NAME,
                        level.quantity.span,
                        format!("there is no objective `{word}`"),
                    );
                    self.push(match crate::diag::nearest(&word, known) {
                        Some(near) => finding.help(format!("did you mean `{near}`?")),
                        None => finding.help(format!("objectives are {}", super::props::listed(&known))),
                    });
                    continue;
                }
            };
            if levels.iter().any(|l| l.goal == goal) {
                self.error_help(
                    codes::DUPLICATE_PROPERTY,
                    level.span,
                    format!("the objective names `{word}` twice"),
                    "remove one of the two",
                );
                continue;
            }
            let within = level.within.as_ref().and_then(|q| {
                let value = self.quantity_of(q, Type::Ratio)?;
                self.not_negative(value, q.span)
            });
            levels.push(ObjectiveLevel { goal, within });
        }
        self.site.objective = Objective { levels, span: owned.span };
    }
}

/// `2026-07-04` as a date that exists.
pub(super) fn iso_date(text: &str) -> Option<CivilDate> {
    let date: jiff::civil::Date = text.get(..10).filter(|_| text.len() == 10)?.parse().ok()?;
    Some(CivilDate { year: date.year(), month: date.month(), day: date.day() })
}
