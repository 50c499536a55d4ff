//! EVL01xx: names, imports, modules and who owns which file.

use crate::diag::registry::codes;

codes! {
    /// A name is used that nothing declares. A site sees the declarations of all its member files and
    /// of what it imports; unknown names are never ignored. Where a declared name is near, it is
    /// proposed.
    UNKNOWN_NAME = 101, Finding, "unknown name";
    /// Two declarations of one site have the same name. Names are shared by all kinds of
    /// declarations, so that a reader never has to know the kind to find the statement.
    DUPLICATE_NAME = 102, Finding, "a name is declared twice";
    /// The imported file or library module does not exist. `std.x` names a module of the library that
    /// is built into evl; other imports are paths inside the repository.
    UNKNOWN_IMPORT = 103, Finding, "nothing to import under this name";
    /// Modules import each other in a circle, so that none can be read first. Move what they share
    /// into a module of its own.
    IMPORT_CYCLE = 104, Finding, "modules import each other in a circle";
    /// A declaration has no property of this name. The properties of each kind are fixed; an unknown
    /// one would otherwise be silently without effect.
    UNKNOWN_PROPERTY = 105, Finding, "unknown property";
    /// A property is given twice in one declaration, so that it is unclear which holds.
    DUPLICATE_PROPERTY = 106, Finding, "a property is given twice";
    /// A declaration lacks a property without which it has no meaning, such as the bus of a consumer
    /// or the timezone of a site.
    MISSING_PROPERTY = 107, Finding, "a required property is missing";
    /// Files owned by a tenant or a vendor may hold only import, use, group, schedule, budget, rule,
    /// test and prove. Devices, permits, assumptions and priorities belong to the site's owner. A manifest
    /// in their folder makes another site of it, so that nothing in it counts: this is a warning.
    NOT_IN_OWNED_FILE = 108, Finding, "a tenant's file may not hold this statement";
    /// Every rule and budget names its class with `in CLASS`, one of those in the site's `priorities`;
    /// what a statement yields to is never a matter of guessing.
    UNKNOWN_CLASS = 109, Finding, "the class is missing or unknown";
    /// A name is declared, but as another kind of thing than this place needs, for example a schedule
    /// where a device is meant.
    WRONG_KIND = 110, Finding, "a name of another kind is needed here";
    /// A `use` gives arguments that the module's parameters do not match: one is missing, unknown, or
    /// of another type.
    WRONG_ARGUMENTS = 111, Finding, "the arguments do not fit the module's parameters";
    /// A repository holds exactly one `site` statement and at most one of some others (priorities,
    /// weather, objective). Two of them would leave open which holds.
    DUPLICATE_STATEMENT = 112, Finding, "a statement that may stand once stands twice";
    /// A group has no members now. A rule over it does nothing, and `all` over it is true. It may be
    /// meant for devices to come; then a waiver says so.
    EMPTY_GROUP = 113, Finding, "a group has no members";
    /// Declarations refer to each other in a circle (a group by a group, a schedule by a schedule), so
    /// that none has a value.
    DEFINITION_CYCLE = 114, Finding, "declarations refer to each other in a circle";
    /// An index lies outside the declared array. Indices begin with 1, and both ends of a range belong
    /// to it.
    INDEX_OUT_OF_RANGE = 115, Finding, "no element has this index";
}
