//! Templates in component variables: `{{ name }}` stands for an application variable.

use std::collections::BTreeMap;

/// Fills a template in. Fails with the name that has no value, or with what is malformed.
pub fn fill(template: &str, values: &BTreeMap<String, String>) -> Result<String, String> {
    let mut filled = String::new();
    let mut rest = template;
    while let Some((before, after)) = rest.split_once("{{") {
        filled.push_str(before);
        let (name, after) = after.split_once("}}").ok_or("{{ without }}")?;
        let name = name.trim();
        filled.push_str(values.get(name).ok_or_else(|| format!("variable `{name}` has no value"))?);
        rest = after;
    }
    filled.push_str(rest);
    Ok(filled)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_template_names_variables_anywhere_in_it() {
        let values = BTreeMap::from([("zone".to_owned(), "vwp.test".to_owned())]);
        assert_eq!(fill("{{ zone }}", &values).as_deref(), Ok("vwp.test"));
        assert_eq!(fill("a.{{zone}}/{{ zone }}.", &values).as_deref(), Ok("a.vwp.test/vwp.test."));
        assert_eq!(fill("plain", &values).as_deref(), Ok("plain"));
        assert!(fill("{{ other }}", &values).is_err());
        assert!(fill("{{ zone", &values).is_err());
    }
}
