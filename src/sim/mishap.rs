//! What befalls phones without anybody's job: lost connections, falls, restarts by themselves, use by others, vanishing and coming back.
//!
//! Invariants: everything is by the world's clock and queue, so that one seed gives one course. Not here: jobs (`course`), what is seen of it (`surface`).

use super::course::Due;
use super::phone;
use super::witness::Fact;
use super::world::{World, place};
use smol_str::SmolStr;
use std::time::Duration;

impl World {
    /// The phone loses its connection for so long.
    pub fn disconnect(&mut self, id: &str, span: Duration) {
        if let Some(index) = self.find(id) {
            self.cut_off(index, span);
        }
    }

    pub(super) fn cut_off(&mut self, index: u32, span: Duration) {
        self.at_mut(index).connected = false;
        self.announce_status(index);
        self.queue.push(self.now.after(span), Due::Online(index));
    }

    /// The phone restarts by itself: restarting, then abnormal, each for half of this time, then running (11→14→10).
    pub fn fall(&mut self, id: &str, span: Duration) {
        let Some(index) = self.find(id) else { return };
        if !self.at(index).ready() {
            return;
        }
        self.tell(|_| Fact::Changed { phone: id.into() });
        let phone = self.at_mut(index);
        phone.reboot();
        phone.status = phone::RESTARTING;
        let boots = phone.boots;
        self.announce_status(index);
        self.queue
            .push(self.now.after(span / 2), Due::Fell(index, boots));
        self.queue
            .push(self.now.after(span), Due::Recover(index, boots));
    }

    /// A phone that restarted by itself is abnormal, unless something else happened to it since.
    pub(super) fn falls(&mut self, index: u32, boots: u32) {
        let phone = self.at(index);
        if phone.status == phone::RESTARTING && phone.boots == boots {
            self.at_mut(index).status = phone::ABNORMAL;
            self.announce_status(index);
        }
    }

    /// An abnormal phone runs again, unless it was restarted since.
    pub(super) fn recovers(&mut self, index: u32, boots: u32) {
        let phone = self.at(index);
        if phone.status == phone::ABNORMAL && phone.boots == boots {
            self.at_mut(index).status = phone::RUNNING;
            self.announce_status(index);
            self.wake(index);
        }
    }

    /// From now on every job on the phone fails.
    pub fn break_phone(&mut self, id: &str) {
        self.broken.extend(self.find(id));
    }

    /// The phone gets this status; a job that waits begins when it is 10.
    pub fn set_status(&mut self, id: &str, status: i16) {
        if let Some(index) = self.find(id) {
            self.at_mut(index).status = status;
            self.announce_status(index);
            self.wake(index);
        }
    }

    /// Another client's job occupies the phone for so long, if it is free.
    pub fn occupy(&mut self, id: &str, span: Duration) {
        let Some(index) = self.find(id) else { return };
        if self.at(index).job.is_none() {
            self.begin_other(index, span);
        }
    }

    /// The phone leaves the account.
    pub fn remove(&mut self, id: &str) {
        let Some(index) = self.index.remove(id) else {
            return;
        };
        self.listed.retain(|other| *other != index);
        if let Some(group) = self.groups.get_mut(&self.phones[place(index)].group) {
            group.retain(|other| *other != index);
        }
    }

    /// The phone leaves the account for so long, and comes back with this code, if one is given.
    pub fn vanish(&mut self, id: &str, span: Duration, code: Option<SmolStr>) {
        let Some(index) = self.find(id) else { return };
        self.remove(id);
        self.queue
            .push(self.now.after(span), Due::Return(index, code));
    }

    /// A phone that vanished is back.
    pub(super) fn come_back(&mut self, index: u32, code: Option<SmolStr>) {
        let phone = &mut self.phones[place(index)];
        let before = code.map(|code| std::mem::replace(&mut phone.id, code));
        let (id, group) = (phone.id.clone(), phone.group);
        if let Some(before) = before {
            self.note_recode(before, id.clone());
        }
        self.index.insert(id, index);
        for list in [&mut self.listed, self.groups.entry(group).or_default()] {
            list.push(index);
            list.sort_unstable();
        }
    }
}
