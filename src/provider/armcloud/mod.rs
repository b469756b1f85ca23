//! ArmCloud (`armcloud-paas`).

use super::registry::{OpenError, Outfit};
use super::*;
use crate::model::fleet::Account;

/// What ArmCloud can do.
pub fn capabilities() -> &'static Capabilities {
    unimplemented!()
}

/// One account at ArmCloud.
pub struct ArmCloud {
    #[expect(dead_code, reason = "skeleton")]
    outfit: Outfit,
}

impl ArmCloud {
    /// Opens the account: resolves its credentials, sends nothing.
    ///
    /// # Errors
    /// A credential that cannot be resolved, or a wrong option.
    pub fn open(_account: &Account, outfit: Outfit) -> Result<Self, OpenError> {
        Ok(Self { outfit })
    }
}

impl Provider for ArmCloud {
    fn capabilities(&self) -> &'static Capabilities {
        capabilities()
    }
    fn read<'a>(
        &'a self,
        _request: &'a ReadRequest,
    ) -> BoxFuture<'a, Result<Observation, CallError>> {
        unimplemented!()
    }
    fn start_read<'a>(
        &'a self,
        _request: &'a ReadRequest,
    ) -> BoxFuture<'a, Result<Submission, CallError>> {
        unimplemented!()
    }
    fn decode_read(&self, _request: &ReadRequest, _phone: &PhoneId, _output: &str) -> PhoneReading {
        unimplemented!()
    }
    fn submit<'a>(&'a self, _order: &'a Order) -> BoxFuture<'a, Result<Submission, CallError>> {
        unimplemented!()
    }
    fn poll<'a>(&'a self, _jobs: &'a [JobRef]) -> BoxFuture<'a, Result<Vec<JobReport>, CallError>> {
        unimplemented!()
    }
    fn find<'a>(&'a self, _lost: &'a LostSubmit) -> BoxFuture<'a, Result<Found, CallError>> {
        unimplemented!()
    }
    fn probe(&self) -> BoxFuture<'_, Result<Probe, CallError>> {
        unimplemented!()
    }
}
