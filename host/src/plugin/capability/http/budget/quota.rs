//! What a connection has used of its day, durable and shared with other processes.
//!
//! Requests are taken from the file in small lots ahead of their use: a crash wastes the rest of a lot, and never uses one twice. A
//! part of the day is kept for those who write and look up, so that reading a large stream does not keep a small edit waiting
//! until midnight.

use std::io;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use chrono::{DateTime, NaiveDate, Utc};
use serde::{Deserialize, Serialize};

use super::Lane;
use crate::store::PrivateFiles;

/// A lot is at most this share of the day, and at most as many requests.
const LOT_SHARE: u64 = 1000;
const LOT_MAX: u64 = 100;

/// Why a request may not go.
#[derive(Debug)]
pub enum QuotaError {
    /// The day's requests, or those for this purpose, are used up; new ones come in this time.
    UsedUp { renewed_in: Duration },
    /// What was used cannot be looked up or noted down.
    State(io::Error),
}

/// As it stands in the file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Used {
    /// In UTC.
    day: NaiveDate,
    used: u64,
}

#[derive(Debug)]
pub struct Quota {
    daily: u64,
    /// What is left for those who only read ends here.
    for_reading: u64,
    files: PrivateFiles,
    name: String,
    lots: Mutex<Lots>,
}

/// Requests that are noted down as used and were not made yet.
#[derive(Debug, Default)]
struct Lots {
    day: NaiveDate,
    reading: u64,
    writing: u64,
    /// What was noted down as used when the last lot was taken.
    noted: u64,
    /// What the upstream says is used; it counts others too.
    told: u64,
}

impl Lots {
    fn of(&mut self, lane: Lane) -> &mut u64 {
        match lane {
            Lane::Bulk => &mut self.reading,
            Lane::Edit => &mut self.writing,
        }
    }
}

impl Quota {
    /// `name` tells the file from those of other connections.
    pub fn new(daily: u64, reserve: f64, files: PrivateFiles, name: &str) -> Self {
        let kept = (daily as f64 * reserve).ceil() as u64;
        let name = format!("{name}.quota");
        Self { daily, for_reading: daily.saturating_sub(kept), files, name, lots: Mutex::default() }
    }

    fn lots(&self) -> MutexGuard<'_, Lots> {
        self.lots.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes one request.
    pub fn take(&self, lane: Lane, now: DateTime<Utc>) -> Result<(), QuotaError> {
        let mut lots = self.lots();
        let today = now.date_naive().max(lots.day);
        if lots.day != today {
            *lots = Lots { day: today, ..Lots::default() };
        }
        if *lots.of(lane) == 0 {
            let told = lots.told;
            let (noted, lot) = self.take_lot(lane, today, told).map_err(QuotaError::State)?;
            if noted.day != lots.day {
                *lots = Lots { day: noted.day, ..Lots::default() };
            }
            lots.noted = noted.used;
            *lots.of(lane) = lot;
        }
        match lots.of(lane) {
            0 => Err(QuotaError::UsedUp { renewed_in: until_midnight(now) }),
            left => {
                *left -= 1;
                Ok(())
            }
        }
    }

    /// The upstream says how much is used: never less than it says.
    pub fn told(&self, used: u64) {
        let mut lots = self.lots();
        lots.told = lots.told.max(used);
        // Then others have used what was taken ahead.
        if used > lots.noted {
            lots.reading = 0;
            lots.writing = 0;
        }
    }

    /// What is noted down now, and how many requests may be made for it. A clock that was set back does not begin a day anew.
    fn take_lot(&self, lane: Lane, today: NaiveDate, told: u64) -> io::Result<(Used, u64)> {
        let _lock = self.files.lock(&self.name)?;
        let mut noted = self.noted()?;
        if noted.day < today {
            noted = Used { day: today, used: 0 };
        }
        noted.used = noted.used.max(told);
        let end = match lane {
            Lane::Bulk => self.for_reading,
            Lane::Edit => self.daily,
        };
        let lot = (self.daily / LOT_SHARE).clamp(1, LOT_MAX).min(end.saturating_sub(noted.used));
        if lot > 0 {
            noted.used += lot;
            self.note(noted)?;
        }
        Ok((noted, lot))
    }

    fn noted(&self) -> io::Result<Used> {
        let Some(bytes) = self.files.read(&self.name)? else { return Ok(Used::default()) };
        serde_json::from_slice(&bytes).map_err(|_| io::Error::other(format!("`{}` holds something else", self.name)))
    }

    fn note(&self, used: Used) -> io::Result<()> {
        self.files.replace(&self.name, serde_json::to_string(&used)?.as_bytes())
    }

    fn give_back(&self) -> io::Result<()> {
        let mut lots = self.lots();
        let unused = std::mem::take(&mut lots.reading) + std::mem::take(&mut lots.writing);
        if unused == 0 {
            return Ok(());
        }
        let _lock = self.files.lock(&self.name)?;
        let mut noted = self.noted()?;
        if noted.day == lots.day {
            noted.used = noted.used.saturating_sub(unused);
            self.note(noted)?;
        }
        Ok(())
    }
}

impl Drop for Quota {
    fn drop(&mut self) {
        // What cannot be given back is wasted, which harms nobody.
        let _ = self.give_back();
    }
}

fn until_midnight(now: DateTime<Utc>) -> Duration {
    let midnight = now.date_naive().succ_opt().and_then(|day| day.and_hms_opt(0, 0, 0));
    midnight.and_then(|midnight| (midnight.and_utc() - now).to_std().ok()).unwrap_or(Duration::from_secs(86_400))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn at(day: u32, hour: u32) -> DateTime<Utc> {
        NaiveDate::from_ymd_opt(2026, 11, day).unwrap().and_hms_opt(hour, 0, 0).unwrap().and_utc()
    }

    struct Folder(tempfile::TempDir);

    impl Folder {
        fn new() -> Self {
            Self(tempfile::tempdir().unwrap())
        }

        fn quota(&self, daily: u64, reserve: f64) -> Quota {
            Quota::new(daily, reserve, PrivateFiles::of(self.0.path(), "http"), "crm")
        }
    }

    fn take_all(quota: &Quota, lane: Lane, now: DateTime<Utc>) -> u64 {
        (0..).take_while(|_| quota.take(lane, now).is_ok()).count() as u64
    }

    #[test]
    fn a_part_is_kept_for_those_who_write() {
        let folder = Folder::new();
        let quota = folder.quota(50, 0.2);
        assert_eq!(take_all(&quota, Lane::Bulk, at(1, 0)), 40);
        assert_eq!(take_all(&quota, Lane::Edit, at(1, 0)), 10);
        assert_eq!(take_all(&quota, Lane::Bulk, at(1, 23)), 0);
        let Err(QuotaError::UsedUp { renewed_in }) = quota.take(Lane::Edit, at(1, 23)) else { panic!("it may") };
        assert_eq!(renewed_in, Duration::from_secs(3600));
        assert_eq!(take_all(&quota, Lane::Bulk, at(2, 0)), 40);
    }

    #[test]
    fn what_was_used_survives_the_process_and_what_was_not_is_given_back() {
        let folder = Folder::new();
        {
            let quota = folder.quota(5000, 0.0);
            for _ in 0..7 {
                quota.take(Lane::Bulk, at(1, 0)).unwrap();
            }
        }
        let quota = folder.quota(5000, 0.0);
        assert_eq!(quota.noted().unwrap().used, 7);
        // A crash gives nothing back.
        quota.take(Lane::Bulk, at(1, 0)).unwrap();
        std::mem::forget(quota);
        assert_eq!(folder.quota(5000, 0.0).noted().unwrap().used, 12);
    }

    #[test]
    fn a_clock_that_was_set_back_begins_no_new_day() {
        let folder = Folder::new();
        let quota = folder.quota(10, 0.0);
        assert_eq!(take_all(&quota, Lane::Edit, at(2, 0)), 10);
        assert_eq!(take_all(&quota, Lane::Edit, at(1, 0)), 0);
        assert_eq!(take_all(&folder.quota(10, 0.0), Lane::Edit, at(1, 0)), 0);
    }

    #[test]
    fn the_upstream_counts_others_too() {
        let folder = Folder::new();
        let quota = folder.quota(100, 0.1);
        quota.take(Lane::Bulk, at(1, 0)).unwrap();
        quota.told(80);
        assert_eq!(take_all(&quota, Lane::Bulk, at(1, 0)), 10);
        quota.told(1000);
        assert_eq!(take_all(&quota, Lane::Edit, at(1, 0)), 0);
    }

    #[test]
    fn a_damaged_file_is_an_error_and_not_a_new_day() {
        let folder = Folder::new();
        let quota = folder.quota(10, 0.0);
        quota.take(Lane::Edit, at(1, 0)).unwrap();
        quota.files.replace("crm.quota", b"garbage").unwrap();
        assert!(matches!(quota.take(Lane::Edit, at(1, 0)), Err(QuotaError::State(_))));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]

        /// Several processes that come, go and crash: no day sees more requests than the quota.
        #[test]
        fn no_day_sees_more_than_the_quota(
            steps in prop::collection::vec((0usize..3, any::<bool>(), 0u8..20), 1..120),
            daily in 1u64..40,
        ) {
            let folder = Folder::new();
            let mut processes: Vec<Quota> = (0..3).map(|_| folder.quota(daily, 0.25)).collect();
            let (mut all, mut reading) = (0, 0);
            for (process, is_edit, what) in steps {
                let lane = if is_edit { Lane::Edit } else { Lane::Bulk };
                match what {
                    0 => std::mem::forget(std::mem::replace(&mut processes[process], folder.quota(daily, 0.25))),
                    1 => processes[process] = folder.quota(daily, 0.25),
                    _ => {
                        let taken = u64::from(processes[process].take(lane, at(1, 0)).is_ok());
                        all += taken;
                        reading += if is_edit { 0 } else { taken };
                    }
                }
                prop_assert!(all <= daily);
                prop_assert!(reading <= daily - (daily as f64 * 0.25).ceil() as u64);
            }
        }
    }
}
