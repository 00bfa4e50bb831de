//! Names that a JSON object repeats: the last value counts, at the place of the first, as in .NET dictionaries.

use std::collections::HashMap;

/// Leaves each name once. Few are compared with each other; many go through a hash map, so that a hostile object of a
/// hundred thousand members costs no quadratic time.
pub(crate) fn keep_last<T>(items: &mut Vec<T>, name: impl Fn(&T) -> &str) {
    const FEW: usize = 8;
    if items.len() <= FEW
        && (1..items.len()).all(|index| items[..index].iter().all(|item| name(item) != name(&items[index])))
    {
        return;
    }
    let mut places: HashMap<&str, usize> = HashMap::with_capacity(items.len());
    let mut targets = Vec::with_capacity(items.len());
    for item in items.iter() {
        let next = places.len();
        targets.push(*places.entry(name(item)).or_insert(next));
    }
    if places.len() == items.len() {
        return;
    }
    let mut kept: Vec<T> = Vec::with_capacity(places.len());
    for (item, target) in items.drain(..).zip(targets) {
        match kept.get_mut(target) {
            Some(place) => *place = item,
            None => kept.push(item),
        }
    }
    *items = kept;
}
