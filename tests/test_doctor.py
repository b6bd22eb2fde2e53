from rich.console import Console

from vlasync import doctor
from vlasync.doctor import Diagnosis, diagnose, run_doctor


def test_only_what_is_needed_decides_the_exit_code(monkeypatch):
    console = Console(width=120, record=True)
    better = Diagnosis(what="GPU", found="none", well=False, needed=False)
    monkeypatch.setattr(doctor, "diagnose", lambda root: [better])
    assert run_doctor(None, console) == 0
    worse = Diagnosis(what="images", found="none", well=False, remedy="install EGL")
    monkeypatch.setattr(doctor, "diagnose", lambda root: [better, worse])
    assert run_doctor(None, console) == 1
    assert "install EGL" in console.export_text()


def test_a_program_that_dies_is_a_finding_with_its_last_words():
    found = doctor._tried("images", ["import sys; sys.exit('no driver')"], remedy="install it")
    assert (found.well, found.found, found.remedy) == (False, "no driver", "install it")
    dead = doctor._tried("images", ["import os, signal; os.kill(os.getpid(), signal.SIGSEGV)"], remedy="install it")
    assert (dead.well, dead.found) == (False, "ended with code -11")
    assert doctor._tried("images", ["import sys; assert sys.argv[1] == 'a'", "a"], remedy="").well


def test_a_folder_without_calvin_is_named_with_a_way_out(monkeypatch, tmp_path):
    monkeypatch.setattr(doctor, "_machine", list)
    found = {one.what: one for one in diagnose(tmp_path)}
    assert not found["calvin_env"].well
    assert "git clone" in found["calvin_env"].remedy
    assert "images of CALVIN" not in found
