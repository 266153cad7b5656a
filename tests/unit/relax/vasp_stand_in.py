"""A stand-in for VASP that the tests run: it checks its inputs and writes outputs that its readers take for real.

The energy of every cell is a parabola in the volume per atom; a relaxation scales the cell halfway to the minimum in
each step. What is to go wrong stands in the JSON file named by STAND_IN_PLAN: for each call (from 1) the name of a
mishap; what each call was given is kept beside it, one JSON line a call.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from pathlib import Path

VOLUME = 10.0  # Å³ per atom at the minimum
ENERGY = -6.0  # eV per atom there
STIFFNESS = 0.02  # eV/Å⁶ per atom
VERSION = "6.4.2"


def read_incar() -> dict[str, str]:
    pairs = (line.split("=", 1) for line in Path("INCAR").read_text().splitlines() if "=" in line)
    return {key.strip(): value.strip() for key, value in pairs}


def read_poscar() -> tuple[list[list[float]], list[str], list[int], list[list[float]]]:
    lines = Path("POSCAR").read_text().splitlines()
    scale = float(lines[1])
    cell = [[scale * float(x) for x in line.split()] for line in lines[2:5]]
    symbols, counts = lines[5].split(), [int(n) for n in lines[6].split()]
    assert lines[7].strip().lower().startswith("d"), "fractional coordinates"
    sites = [[float(x) for x in line.split()[:3]] for line in lines[8 : 8 + sum(counts)]]
    return cell, symbols, counts, sites


def volume(cell: list[list[float]]) -> float:
    (a, b, c), (d, e, f), (g, h, i) = cell
    return abs(a * (e * i - f * h) - b * (d * i - f * g) + c * (d * h - e * g))


def check(incar: dict[str, str], symbols: list[str], counts: list[int]) -> list[str]:
    """Return what is wrong with the inputs."""
    titles = [line.split()[1] for line in Path("POTCAR").read_text().splitlines() if line.startswith("  PAW_PBE")]
    static = incar.get("NSW") == "0"
    wrong = []
    if [title.split("_")[0] for title in titles] != symbols:
        wrong.append(f"POTCAR {titles} for {symbols}")
    mesh = Path("KPOINTS").read_text().splitlines() if Path("KPOINTS").exists() else []
    if mesh and not mesh[2].strip().lower().startswith("g"):
        wrong.append(f"k-points are not centred on Γ: {mesh[2]}")
    if bool(mesh) == ("KSPACING" in incar):
        wrong.append("k-points neither by KPOINTS alone nor by KSPACING alone")
    wanted = {"PREC": "Accurate", "ISPIN": "2", "LASPH": "True", "LORBIT": "11"}
    if not static:
        wanted |= {"ISIF": "3", "IBRION": "2", "NSW": "99"}
    wrong += [f"{key} is {incar.get(key)}, not {value}" for key, value in wanted.items() if incar.get(key) != value]
    moments = incar.get("MAGMOM", "").split()
    if sum(int(m.split("*")[0]) if "*" in m else 1 for m in moments) != sum(counts):
        wrong.append(f"MAGMOM {moments} for {counts} atoms")
    return wrong


def vectors(rows: list[list[float]], indent: str = "   ") -> str:
    return "\n".join(f"{indent}<v> {' '.join(f'{x:16.8f}' for x in row)} </v>" for row in rows)


def structure(cell: list[list[float]], sites: list[list[float]], name: str = "") -> str:
    reciprocal = [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]]
    return f"""<structure{f' name="{name}"' if name else ""}>
 <crystal>
  <varray name="basis">
{vectors(cell)}
  </varray>
  <i name="volume"> {volume(cell):.8f} </i>
  <varray name="rec_basis">
{vectors(reciprocal)}
  </varray>
 </crystal>
 <varray name="positions">
{vectors(sites)}
 </varray>
</structure>"""


def energies(energy: float) -> str:
    names = ("e_fr_energy", "e_wo_entrp", "e_0_energy")
    return "<energy>" + "".join(f'<i name="{name}"> {energy:.8f} </i>' for name in names) + "</energy>"


def calculation(cell: list[list[float]], sites: list[list[float]], energy: float, n_scf: int) -> str:
    zero = [[0.0, 0.0, 0.0] for _ in sites]
    slope = 2 * STIFFNESS * (volume(cell) / len(sites) - VOLUME) * 1602.1766208
    stress = [[-slope if i == j else 0.0 for j in range(3)] for i in range(3)]
    scf = "\n".join(f"<scstep>{energies(energy + 1.0 / 4**n)}</scstep>" for n in range(1, n_scf + 1))
    return f"""<calculation>
{scf}
{structure(cell, sites)}
<varray name="forces">
{vectors(zero)}
</varray>
<varray name="stress">
{vectors(stress)}
</varray>
{energies(energy)}
<eigenvalues><array><dimension dim="1">band</dimension><dimension dim="2">kpoint</dimension>
<dimension dim="3">spin</dimension><field>eigene</field><field>occ</field>
<set>{spins()}</set></array></eigenvalues>
<dos><i name="efermi"> 1.0 </i><total><array><dimension dim="1">gridpoints</dimension>
<dimension dim="2">spin</dimension><field>energy</field><field>total</field><field>integrated</field><set>
<set comment="spin 1"><r> -1.0 1.0 1.0 </r><r> 3.0 1.0 2.0 </r></set>
<set comment="spin 2"><r> -1.0 1.0 1.0 </r><r> 3.0 1.0 2.0 </r></set></set></array></total></dos>
</calculation>"""


def spins() -> str:
    bands = "<r> -1.0 1.0 </r><r> 3.0 0.0 </r>"
    return "".join(f'<set comment="spin {spin}"><set comment="kpoint 1">{bands}</set></set>' for spin in (1, 2))


def parameters(incar: dict[str, str]) -> str:
    whole = {"NELM": 60, "NSW": 0, "IBRION": -1, "ISIF": 2, "ISPIN": 1, "ISMEAR": 1, "NELMIN": 2, "LORBIT": 0}
    real = {"EDIFF": 1e-4, "EDIFFG": -0.02, "ENCUT": 400.0, "SIGMA": 0.2}
    rows = [f'<i type="int" name="{key}"> {incar.get(key, default)} </i>' for key, default in whole.items()]
    rows += [f'<i name="{key}"> {incar.get(key, default)} </i>' for key, default in real.items()]
    logical = {key: incar.get(key, "False")[0].upper() for key in ("LDAU", "LHFCALC", "LUSE_VDW", "LASPH")}
    rows += [f'<i type="logical" name="{key}"> {value} </i>' for key, value in logical.items()]
    rows.append(f'<i type="string" name="METAGGA"> {incar.get("METAGGA", "--")} </i>')
    rows += [f'<i name="{key}"> {value} </i>' for key, value in (("NELECT", 8.0), ("AEXX", 0.0), ("HFSCREEN", 0.0))]
    rows.append(f'<i type="string" name="GGA"> {incar.get("GGA", "--")} </i>')
    return "\n".join(rows)


def write_vasprun(
    incar: dict[str, str], symbols: list[str], counts: list[int], frames: list[tuple[list[list[float]], float]],
    sites: list[list[float]], n_scf: int,
) -> None:  # fmt: skip
    pairs = list(zip(symbols, counts, strict=True))
    atoms = "".join(f"<rc><c>{s}</c><c>{n}</c></rc>" * count for n, (s, count) in enumerate(pairs, 1))
    titles = [line.strip() for line in Path("POTCAR").read_text().splitlines() if line.startswith("  PAW_PBE")]
    kinds = "".join(
        f"<rc><c>{count}</c><c>{s}</c><c>1.0</c><c>4.0</c><c>{title}</c></rc>"
        for s, count, title in zip(symbols, counts, titles, strict=True)
    )
    inputs = "\n".join(
        f'<i type="string" name="{key}"> {value} </i>'
        for key, value in incar.items()
        if key not in ("MAGMOM", "SYSTEM")
    )
    text = f"""<?xml version="1.0" encoding="ISO-8859-1"?>
<modeling>
<generator><i name="program" type="string">vasp</i><i name="version" type="string">{VERSION}</i>
<i name="subversion" type="string">stand-in</i><i name="platform" type="string">test</i>
<i name="date" type="string">2026 01 01</i><i name="time" type="string">00:00:00</i></generator>
<incar>
{inputs}
</incar>
<kpoints><generation param="Gamma"><v type="int" name="divisions"> 1 1 1 </v>
<v name="usershift"> 0.0 0.0 0.0 </v><v name="genvec1"> 1.0 0.0 0.0 </v><v name="genvec2"> 0.0 1.0 0.0 </v>
<v name="genvec3"> 0.0 0.0 1.0 </v><v name="shift"> 0.0 0.0 0.0 </v></generation>
<varray name="kpointlist"><v> 0.0 0.0 0.0 </v></varray><varray name="weights"><v> 1.0 </v></varray></kpoints>
<parameters>
{parameters(incar)}
</parameters>
<atominfo><atoms> {len(sites)} </atoms><types> {len(symbols)} </types>
<array name="atoms"><dimension dim="1">ion</dimension><field type="string">element</field>
<field type="int">atomtype</field><set>{atoms}</set></array>
<array name="atomtypes"><dimension dim="1">type</dimension><field type="int">atomspertype</field>
<field type="string">element</field><field>mass</field><field>valence</field>
<field type="string">pseudopotential</field><set>{kinds}</set></array></atominfo>
{structure(frames[0][0], sites, "initialpos")}
"""
    text += "\n".join(calculation(cell, sites, energy, n_scf) for cell, energy in frames)
    text += f"\n{structure(frames[-1][0], sites, 'finalpos')}\n</modeling>\n"
    Path("vasprun.xml").write_text(text)


def write_contcar(cell: list[list[float]], symbols: list[str], counts: list[int], sites: list[list[float]]) -> None:
    rows = ["stand-in", "1.0", *(" ".join(f"{x:.10f}" for x in row) for row in cell)]
    rows += [" ".join(symbols), " ".join(map(str, counts)), "Direct"]
    rows += [" ".join(f"{x:.10f}" for x in site) for site in sites]
    Path("CONTCAR").write_text("\n".join(rows) + "\n")


def write_outcar(n_atoms: int, energy: float) -> None:
    moments = "\n".join(f"    {n}        0.000   0.000   0.000   0.000" for n in range(1, n_atoms + 1))
    Path("OUTCAR").write_text(
        f""" vasp.{VERSION} stand-in
 executed on  test date 2026.01.01  00:00:00
 running on    1 total cores
 NIONS = {n_atoms}
   k-points           NKPTS =      1   k-points in BZ     NKDIM =      1   number of bands    NBANDS=      2
   total plane-waves  NPLWV =   1000
   ISPIN  =      2    spin polarized calculation?
   IBRION =      2
 number of electron       8.0000000 magnetization       0.0000000
    total drift:                                0.000000      0.000000      0.000000
  free  energy   TOTEN  =      {energy:.8f} eV
  energy  without entropy=     {energy:.8f}  energy(sigma->0) =      {energy:.8f}
 E-fermi :   1.0000     XC(G=0):  -1.0000     alpha+bet : -1.0000

 magnetization (x)

# of ion       s       p       d       tot
------------------------------------------
{moments}
--------------------------------------------------
tot          0.000   0.000   0.000   0.000


 General timing and accounting informations for this job:
 ========================================================

                  Total CPU time used (sec):        1.000
                            User time (sec):        1.000
                          System time (sec):        0.000
                         Elapsed time (sec):        1.000

                   Maximum memory used (kb):      1000.
                   Average memory used (kb):          0.
"""
    )


def note(record: dict[str, object]) -> int:
    """Keep what this call was given and return its number."""
    log = Path(os.environ["STAND_IN_PLAN"]).with_suffix(".log")
    with log.open("a") as file:
        file.write(json.dumps(record) + "\n")
    return len(log.read_text().splitlines())


def main() -> None:
    incar = read_incar()
    cell, symbols, counts, sites = read_poscar()
    wrong = check(incar, symbols, counts)
    mesh = Path("KPOINTS").read_text().splitlines()[3].split() if Path("KPOINTS").exists() else []
    titles = [line.split()[1] for line in Path("POTCAR").read_text().splitlines() if line.startswith("  PAW_PBE")]
    given = {"incar": incar, "volume": volume(cell), "kpoints": mesh, "potcar": titles}
    call = note({**given, "wrong": wrong, "folder": str(Path.cwd()), "arguments": sys.argv[1:]})
    if wrong:
        sys.stderr.write("\n".join(wrong) + "\n")
        sys.exit(3)
    mishap = json.loads(Path(os.environ["STAND_IN_PLAN"]).read_text()).get(str(call))
    print(f" running on    1 total cores\n vasp.{VERSION} stand-in")
    if mishap == "dies":
        sys.stderr.write("forrtl: severe (174): SIGSEGV, segmentation fault occurred\n")
        sys.exit(174)
    if mishap == "killed":
        os.kill(os.getpid(), signal.SIGKILL)
    steps = 1 if incar.get("NSW") == "0" else 4
    n_scf = int(incar["NELM"]) if mishap == "no-scf" else 5
    frames = []
    n = sum(counts)
    for step in range(steps):
        if step:
            factor = ((volume(cell) / n + VOLUME) / 2 / (volume(cell) / n)) ** (1 / 3)
            cell = [[factor * x for x in row] for row in cell]
        energy = n * (ENERGY + STIFFNESS * (volume(cell) / n - VOLUME) ** 2)
        if mishap == "runs-away" and step == 2:
            energy -= 1e3 * n
        frames.append((cell, energy))
        write_contcar(cell, symbols, counts, sites)
        if mishap == "hangs" and step == 2:
            time.sleep(600)
    if mishap == "zbrent":
        print(" ZBRENT: fatal error in bracketing\n     please rerun with smaller EDIFF, or copy CONTCAR")
    write_vasprun(incar, symbols, counts, frames, sites, n_scf)
    write_outcar(n, frames[-1][1])
    oszicar = "".join(f"{i:4d} F= {e:.8E} E0= {e:.8E}  d E =-.1E-03  mag= 0.0\n" for i, (_, e) in enumerate(frames, 1))
    Path("OSZICAR").write_text(oszicar)
    for name in ("WAVECAR", "CHGCAR"):
        Path(name).write_text("")
    if incar.get("NSW") != "0" and mishap != "zbrent":
        print(" reached required accuracy - stopping structural energy minimisation")


if __name__ == "__main__":
    main()
