"""Every place quantum-ess reads or writes, once.

The bash layer keeps the same list in ops/lib/paths.sh. Nothing in the environment can move any of
these: a latch that a stray variable could relocate would be no latch.
"""

MAIN = "main"
GATE = "zz-quantum-ess.conf"
# Whose members may ask for a stop.
GROUP = "quantum-ess"


class Paths:
    """The files and units of one scope; `root` is put before every file (tests only)."""

    def __init__(self, root: str = "", scope: str = MAIN) -> None:
        self.root, self.scope = root, scope
        own_run = f"{root}/run/quantum-ess"
        own_state = f"{root}/var/lib/quantum-ess"
        if scope == MAIN:
            self.run_dir = f"{root}/run/quantum"
            self.runtime_dir = own_run
            self.state_dir = own_state
        else:
            self.run_dir = f"{own_run}/{scope}"
            self.runtime_dir = f"{own_run}/{scope}/control"
            self.state_dir = f"{own_state}/{scope}"
        self._place_latch()
        self._place_records(own_run, own_state)
        self._place_installation(root)
        self._name_units("quantum-ess" if scope == MAIN else f"quantum-ess-{scope}")

    def _place_latch(self) -> None:
        self.run_flag, self.var_flag = f"{self.run_dir}/ESS_ON", f"{self.state_dir}/ESS_ON"
        self.running = f"{self.state_dir}/running"
        self.release_lock = f"{self.runtime_dir}/release.lock"
        self.releasing = f"{self.runtime_dir}/releasing"
        # What those have open who stop trading.
        self.stoppers = f"{self.runtime_dir}/stoppers"
        self.enforcer = f"{self.runtime_dir}/enforcer"
        # Trading processes that it found outside their units' cgroups.
        self.escaped = f"{self.runtime_dir}/escaped"
        self.cut_dir = f"{self.runtime_dir}/cut"
        # Where who is not root asks for a stop; what the reader is at; who asked for this one; and
        # what the reader writes anew with all that it takes.
        self.requests = f"{self.runtime_dir}/requests"
        self.request_busy = f"{self.runtime_dir}/request.busy"
        self.request_note = f"{self.runtime_dir}/request"
        self.request_told = f"{self.runtime_dir}/request.told"

    def _place_records(self, own_run: str, own_state: str) -> None:
        # Where events wait for the aftermath; the second when the disk takes nothing.
        self.spools = (f"{own_state}/spool", f"{own_run}/spool")
        # What systemd watches to start those who take events and tell of cases.
        self.wake_spool, self.wake_cases = f"{own_run}/wake/spool", f"{own_run}/wake/cases"
        self.audit = f"{self.root}/var/log/quantum-ess/audit.jsonl"
        self.audit_head = f"{own_state}/audit/head"
        self.aftermath_lock = f"{own_run}/aftermath/lock"
        # Of what a dry run would have stopped for, what people were told.
        self.dry_run_note = f"{own_run}/aftermath/dry-run"
        # What somebody has to be told, as it stands, and how far each channel has got with it.
        self.cases, self.deliveries = f"{own_state}/cases", f"{own_state}/deliveries"
        # Where the delivery service is asked what it sees, and to send tests.
        self.questions = f"{own_run}/questions"
        self.deliver_unit = "quantum-ess-deliver.service"
        # In the directory that node_exporter reads (QT_ESS_METRICS_DIR): the sentry's, and ours.
        self.sentry_metrics, self.event_metrics = "quantum_ess.prom", "quantum_ess_events.prom"
        self.metrics_lock = f"{own_run}/aftermath/metrics.lock"
        self.last_drill = f"{own_state}/last-drill"

    def _place_installation(self, root: str) -> None:
        self.config = f"{root}/etc/quantum-ess/ess.env"
        self.aftermath_config, self.watch_config = (
            f"{root}/etc/quantum-ess/{name}.env" for name in ("aftermath", "watch")
        )
        self.unit_dir = f"{root}/etc/systemd/system"
        self.library = f"{root}/usr/local/lib/quantum-ess"
        self.installed = f"{self.library}/installed.env"
        self.manifest = f"{self.library}/manifest.sha256"
        self.controller = f"{self.library}/ops/ess_controller.sh"
        self.installer = f"{self.library}/ops/install.sh"
        self.proof = f"{self.library}/scripts/proof_ess.sh"
        self.runbook = f"{root}/usr/local/share/doc/quantum-ess/RUNBOOK.md"
        self.tmpfiles = f"{root}/etc/tmpfiles.d/quantum-ess.conf"
        self.cgroup_mount = f"{root}/sys/fs/cgroup"

    def _name_units(self, stem: str) -> None:
        self.path_unit = f"{stem}.path"
        self.trigger_unit = f"{stem}-trigger.service"
        self.halt_path_unit = f"{stem}-halt.path"
        self.quick_path_unit = f"{stem}-quick.path"
        self.disk_path_unit = f"{stem}-disk.path"
        self.halt_target = f"{stem}-halt.target"
        self.request_path_unit = f"{stem}-request.path"
        self.request_names_unit = f"{stem}-request-names.path"
        self.request_unit = f"{stem}-request.service"
        self.manual_unit = f"{stem}.service"
        self.sentry_timer = f"{stem}-sentry.timer"
        self.sentry_unit = f"{stem}-sentry.service"
        self.drill_timer = f"{stem}-drill.timer"
        self.drill_unit = f"{stem}-drill.service"
        self.watch_unit = f"{stem}-watch.service"
        self.watch_deadman_unit = f"{stem}-watch-deadman.service"

    @property
    def own_units(self) -> tuple[str, ...]:
        """Every unit of the product that has to be in place for a trip to work and stay proved."""
        return (
            self.path_unit,
            self.trigger_unit,
            self.halt_path_unit,
            self.quick_path_unit,
            self.disk_path_unit,
            self.halt_target,
            self.request_path_unit,
            self.request_names_unit,
            self.request_unit,
            self.manual_unit,
            self.sentry_timer,
            self.sentry_unit,
            self.drill_timer,
            self.drill_unit,
        )
