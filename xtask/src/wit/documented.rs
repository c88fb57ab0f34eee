//! What an item of our packages must say about itself: what it is, and since when.
//!
//! The packages are looked at before they are resolved: resolving adds imports to worlds
//! that nobody wrote, and so could not document.

use wit_parser::{
    AstItem, Docs, Function, Interface, Stability, Type, TypeDef, TypeDefKind, UnresolvedPackage, World,
    WorldItem, WorldKey,
};

/// Names every item that lacks its documentation or its `@since`.
pub(crate) fn faults(package: &UnresolvedPackage) -> Vec<String> {
    let foreign = package.foreign_deps.values().flat_map(|items| items.values().map(|(item, _)| *item));
    let mut report = Report { package, foreign: foreign.collect(), faults: Vec::new() };
    let name = package.name.to_string();
    report.documented(&name, &package.docs);
    for (id, interface) in &package.interfaces {
        // An interface without a name stands inside a world, which is looked at below.
        if let Some(interface_name) = &interface.name
            && !report.foreign.contains(&AstItem::Interface(id))
        {
            report.interface(&format!("{name}/{interface_name}"), interface);
        }
    }
    for (id, world) in &package.worlds {
        if !report.foreign.contains(&AstItem::World(id)) {
            report.world(&format!("{name}/{}", world.name), world);
        }
    }
    report.faults
}

struct Report<'a> {
    package: &'a UnresolvedPackage,
    /// What stands in for the items of other packages.
    foreign: Vec<AstItem>,
    faults: Vec<String>,
}

impl Report<'_> {
    fn documented(&mut self, item: &str, docs: &Docs) {
        if docs.contents.as_deref().unwrap_or_default().trim().is_empty() {
            self.faults.push(format!("{item} is not documented"));
        }
    }

    fn dated(&mut self, item: &str, stability: &Stability) {
        if stability.is_unknown() {
            self.faults.push(format!("{item} has no @since"));
        }
    }

    fn interface(&mut self, item: &str, interface: &Interface) {
        self.documented(item, &interface.docs);
        self.dated(item, &interface.stability);
        self.members(item, interface);
    }

    fn members(&mut self, item: &str, interface: &Interface) {
        for (name, id) in &interface.types {
            self.type_def(&format!("{item}.{name}"), &self.package.types[*id]);
        }
        for function in interface.functions.values() {
            self.function(item, function);
        }
    }

    fn function(&mut self, item: &str, function: &Function) {
        let item = format!("{item}.{}", function.name);
        self.documented(&item, &function.docs);
        self.dated(&item, &function.stability);
    }

    fn world(&mut self, item: &str, world: &World) {
        self.documented(item, &world.docs);
        self.dated(item, &world.stability);
        for (key, world_item) in world.imports.iter().chain(&world.exports) {
            match world_item {
                // What is imported or exported is documented where it is defined.
                WorldItem::Interface { id, stability, .. } => {
                    let interface = &self.package.interfaces[*id];
                    let name = match key {
                        WorldKey::Name(name) => name,
                        WorldKey::Interface(_) => interface.name.as_deref().unwrap_or("an interface"),
                    };
                    let item = format!("{item}.{name}");
                    self.dated(&item, stability);
                    if interface.name.is_none() && !self.foreign.contains(&AstItem::Interface(*id)) {
                        self.members(&item, interface);
                    }
                }
                WorldItem::Function(function) => self.function(item, function),
                WorldItem::Type { id, .. } => {
                    let type_def = &self.package.types[*id];
                    let name = type_def.name.clone().unwrap_or_default();
                    self.type_def(&format!("{item}.{name}"), type_def);
                }
            }
        }
    }

    fn type_def(&mut self, item: &str, type_def: &TypeDef) {
        self.dated(item, &type_def.stability);
        if self.is_used(type_def) {
            return;
        }
        self.documented(item, &type_def.docs);
        let parts: Vec<(&String, &Docs)> = match &type_def.kind {
            TypeDefKind::Record(record) => record.fields.iter().map(|it| (&it.name, &it.docs)).collect(),
            TypeDefKind::Variant(variant) => variant.cases.iter().map(|it| (&it.name, &it.docs)).collect(),
            TypeDefKind::Enum(cases) => cases.cases.iter().map(|it| (&it.name, &it.docs)).collect(),
            TypeDefKind::Flags(flags) => flags.flags.iter().map(|it| (&it.name, &it.docs)).collect(),
            _ => Vec::new(),
        };
        for (name, docs) in parts {
            self.documented(&format!("{item}.{name}"), docs);
        }
    }

    /// Whether the type came in by `use`, and so is documented where it is defined.
    fn is_used(&self, type_def: &TypeDef) -> bool {
        match &type_def.kind {
            TypeDefKind::Type(Type::Id(id)) => self.package.types[*id].owner != type_def.owner,
            TypeDefKind::Unknown => true,
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use wit_parser::UnresolvedPackageGroup;

    fn faults_of(text: &str) -> Vec<String> {
        faults(&UnresolvedPackageGroup::parse("test.wit", text).expect("valid WIT").main)
    }

    #[test]
    fn a_package_that_says_everything_has_no_faults() {
        let text = "
            /// A package.
            package a:b@1.0.0;
            /// Types.
            @since(version = 1.0.0)
            interface types {
                /// A thing.
                @since(version = 1.0.0)
                record thing {
                    /// Its size.
                    size: u32,
                }
            }
            /// Functions.
            @since(version = 1.0.0)
            interface functions {
                @since(version = 1.0.0)
                use types.{thing};
                /// Gets one.
                @since(version = 1.0.0)
                get: async func() -> thing;
            }
            /// A world.
            @since(version = 1.0.0)
            world all {
                @since(version = 1.0.0)
                import functions;
            }";
        assert_eq!(faults_of(text), Vec::<String>::new());
    }

    #[test]
    fn what_says_nothing_is_named_down_to_the_field() {
        let text = "
            package a:b@1.0.0;
            interface types {
                record thing { size: u32 }
                variant error { gone }
                get: func() -> thing;
            }
            world all { import types; }";
        let faults = faults_of(text);
        for item in [
            "a:b@1.0.0 is not documented",
            "a:b@1.0.0/types is not documented",
            "a:b@1.0.0/types has no @since",
            "a:b@1.0.0/types.thing.size is not documented",
            "a:b@1.0.0/types.error.gone is not documented",
            "a:b@1.0.0/types.get has no @since",
            "a:b@1.0.0/all is not documented",
            "a:b@1.0.0/all.types has no @since",
        ] {
            assert!(faults.contains(&item.to_owned()), "{item} is missing from {faults:?}");
        }
    }

    #[test]
    fn what_another_package_defines_is_not_ours_to_document() {
        let text = "
            /// A package.
            package a:b@1.0.0;
            /// Functions.
            @since(version = 1.0.0)
            interface functions {
                @since(version = 1.0.0)
                use c:d/types@1.0.0.{thing};
            }";
        assert_eq!(faults_of(text), Vec::<String>::new());
    }
}
