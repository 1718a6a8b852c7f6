"""Running the proof on a lab, and what it may and may not leave there."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

from tests.lab.stack import MONITOR_UNITS, TRADING_UNITS

if TYPE_CHECKING:
    from tests.lab.lab import Lab

PROOF = "/usr/local/lib/quantum-ess/scripts/proof_ess.sh"
CONTROLLER = "/usr/local/lib/quantum-ess/ops/ess_controller.sh"
LIBRARY = "/usr/local/lib/quantum-ess/ops/lib"
UNITS = "/etc/systemd/system"
MAIN_FLAGS = ("/run/quantum/ESS_ON", "/var/lib/quantum-ess/ESS_ON")
CANARY_FLAGS = ("/run/quantum-ess/canary/ESS_ON", "/var/lib/quantum-ess/canary/ESS_ON")
CANARY_UNITS = (
    "quantum-ess-canary.path",
    "quantum-ess-canary-halt.path",
    "quantum-ess-canary-disk.path",
    "quantum-ess-canary-request.path",
    "quantum-ess-canary-request.service",
    "quantum-ess-canary-trigger.service",
    "quantum-ess-canary-halt.target",
    "quantum-ess-canary.service",
)
PASSED = "\nSUMMARY: PASS\nESS is production-ready for emergency stop scenarios\n"

# The proof on the canary with its parts, some of which something else was put in place of.
MAIN = """
main() {{
    parse "$@"
    check_root
    load
    {instead}
    terminal_setup
    proof_begin
    prove_canary
    proof_end
}}
main "$@"
"""

# What follows a stop is proved in test_aftermath.
THE_STOP_ALONE = "aftermath_claims() { verdict_stop; }"


def part(lab: Lab, name: str, instead: str) -> str:
    """Return the path, in the lab, of a proof with these functions instead of its own."""
    head, _, _ = lab.read(PROOF).rpartition("\nmain() {\n")
    assert head.endswith("}\n")
    path = f"{PROOF.removesuffix('.sh')}_{name}.sh"
    lab.write(path, head + MAIN.format(instead=instead), mode=0o755)
    return path


def proof(lab: Lab, *arguments: str) -> subprocess.CompletedProcess[str]:
    return lab.exec(PROOF, *arguments, check=False, timeout=120)


def failed(done: subprocess.CompletedProcess[str]) -> list[str]:
    """Return the claims that failed, as the proof printed them; the verdict must say the same."""
    lines = done.stdout.splitlines()
    claims = [line.removeprefix("FAIL  ") for line in lines if line.startswith("FAIL  ")]
    verdict = lines[lines.index("SUMMARY: FAIL") + 1 :]
    assert done.returncode == 5
    assert "production-ready" not in done.stdout
    assert len(verdict) == len(claims)
    assert all(claim.startswith(name.strip()) for claim, name in zip(claims, verdict, strict=True))
    return claims


def processes(lab: Lab) -> dict[str, list[int]]:
    return {unit: lab.host_pids(unit) for unit in (*TRADING_UNITS, *MONITOR_UNITS)}


def last_drill(lab: Lab) -> dict[str, str]:
    lines = lab.read("/var/lib/quantum-ess/last-drill").splitlines()
    return dict(line.split("=", 1) for line in lines)


def left_behind(lab: Lab) -> list[str]:
    """Return what a drill has no business leaving."""
    found = [flag for flag in (*MAIN_FLAGS, *CANARY_FLAGS) if lab.exists(flag)]
    found += [unit for unit in CANARY_UNITS if lab.state(unit) != "inactive"]
    directories = (
        "/run/quantum-ess/canary",
        "/var/lib/quantum-ess/canary",
        "/run/quantum-ess/drill",
    )
    files = lab.exec("find", *directories, "-type", "f", check=False).stdout
    return found + files.split()


def start(lab: Lab, *arguments: str, script: str = PROOF) -> None:
    """Start a proof as a unit of its own; its output goes to /root/proof.out."""
    # What a killed one has left running keeps its unit.
    lab.wait_until(lambda: ended(lab) and not lab.populated("proof.service"), 30, "the unit")
    lab.exec("rm", "-f", "/root/proof.out")
    lab.systemctl("reset-failed", "proof.service", check=False)
    output = ("-p", "StandardOutput=file:/root/proof.out", "-p", "StandardError=inherit")
    lab.exec(
        "systemd-run",
        "--unit=proof",
        "--quiet",
        "-p",
        "KillMode=process",
        *output,
        script,
        *arguments,
    )


def ended(lab: Lab) -> bool:
    return lab.state("proof.service") in ("inactive", "failed")


def finish(lab: Lab) -> subprocess.CompletedProcess[str]:
    """Return the started proof's end as if it had been waited for."""
    lab.wait_until(lambda: ended(lab), timeout=60, what="proof ends")
    code = int(lab.show("proof.service", "ExecMainStatus")["ExecMainStatus"])
    return subprocess.CompletedProcess([PROOF], code, lab.read("/root/proof.out"), "")


def kill(lab: Lab, signal: str, whom: str = "main") -> None:
    lab.systemctl("kill", f"--signal={signal}", f"--kill-who={whom}", "proof.service")
