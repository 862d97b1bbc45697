//! Which version a cluster may be told to go back to, by etcd's rules.

use mini_etcd_shared::version::CLUSTER_VERSION;

use crate::error::RequestError;

/// Whether etcd would go back to the version `target` from the one that is followed here.
///
/// # Errors
/// It is no version, or not that of one minor version before.
pub(super) fn validate(target: &str) -> Result<(), RequestError> {
    let target = two_parts(target)
        .or_else(|| two_parts(&format!("{target}.0")))
        .ok_or(RequestError::WrongDowngradeVersionFormat)?;
    let now = two_parts(CLUSTER_VERSION).unwrap_or_default();
    let is_one_before = target.0 == now.0 && target.1 + 1 == now.1;
    if is_one_before { Ok(()) } else { Err(RequestError::InvalidDowngradeTargetVersion) }
}

/// The first two numbers of a version of three, which may end with names of a build.
fn two_parts(version: &str) -> Option<(u32, u32)> {
    let (version, build) = version.split_once('+').unwrap_or((version, ""));
    let (version, before) = version.split_once('-').unwrap_or((version, ""));
    let is_name = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '.';
    if !build.chars().chain(before.chars()).all(is_name) {
        return None;
    }
    let mut numbers = version.split('.').map(|part| part.parse().ok());
    match (numbers.next(), numbers.next(), numbers.next(), numbers.next()) {
        (Some(major), Some(minor), Some(Some::<u32>(_)), None) => Some((major?, minor?)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::super::host::short;
    use super::*;

    #[test]
    fn one_minor_version_before_is_valid_however_it_is_written() {
        assert_eq!(short(CLUSTER_VERSION), "3.6", "the cases follow the version that is reported");
        for target in ["3.5", "3.5.0", "3.5.21", "3.5.0-rc.1", "3.5.1+build.7"] {
            assert_eq!(validate(target), Ok(()), "{target}");
        }
        for target in ["3.6.0", "3.4", "4.5.0", "2.5.0", "0.0.0"] {
            let refused = Err(RequestError::InvalidDowngradeTargetVersion);
            assert_eq!(validate(target), refused, "{target}");
        }
        for target in ["", "x", "3", "v3.5.0", "3.5.1.2", "3.-5.0", "3.5.0-rc_1", "3.5.0+a b"] {
            let refused = Err(RequestError::WrongDowngradeVersionFormat);
            assert_eq!(validate(target), refused, "{target}");
        }
    }
}
