//! EVL09xx: manifest, profiles, inventory, keys and signatures.

use crate::diag::registry::codes;

codes! {
    /// A YAML file (manifest, profile or inventory) cannot be read as such: its syntax is broken, it
    /// nests or repeats aliases beyond the bounds, or a key stands twice.
    YAML = 901, Finding, "a YAML file cannot be read";
    /// The file has a key that this kind of file does not know, or lacks one that it needs. Unknown
    /// keys are never ignored.
    YAML_KEY = 902, Finding, "an unknown or missing key";
    /// A value in the manifest, a profile or the inventory has the wrong type or lies outside what the
    /// key allows.
    YAML_VALUE = 903, Finding, "a key's value does not fit";
    /// The policy names a module profile that is neither in the repository's `profiles/` nor in the
    /// library that is built into evl.
    UNKNOWN_PROFILE = 904, Finding, "unknown profile";
    /// The declaration of a device contradicts its profile: class, ratings, fail-safe value or way of
    /// reversion.
    PROFILE_MISMATCH = 905, Finding, "a device contradicts its profile";
    /// The inventory names a device or gateway that the policy does not declare, lacks one, or gives
    /// two devices the same place.
    INVENTORY = 906, Finding, "inventory and policy do not fit";
    /// `control command` needs a commissioning record for this serial and profile in the inventory:
    /// somebody must have seen that the device obeys and falls back. `check` asks it of every device
    /// that the repository's inventory has; `apply` excludes such a device (EVL1209).
    NOT_COMMISSIONED = 907, Finding, "a commanded device without a commissioning record";
    /// A key or signature is missing, malformed, or does not fit the document.
    SIGNATURE = 908, Finding, "a key or signature does not fit";
    /// A waiver in the manifest names no known code, or its last day has passed, so that the finding
    /// counts again.
    WAIVER = 909, Finding, "a waiver that does not hold";
}
