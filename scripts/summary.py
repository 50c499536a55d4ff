"""The readable end of `make demo`: what was checked, planned, written and undone."""

import json
import pathlib
import sys
from fractions import Fraction

work = pathlib.Path(sys.argv[1])


def document(name):
    return json.loads((work / f"{name}.out").read_text())


def money(text):
    return f"{float(Fraction(text)):,.2f}"


def writes(log):
    lines = [json.loads(line) for line in log.read_text().splitlines()]
    return [line for line in lines if line.get("words")]


check, plan, apply, undo = (document(name) for name in ("check", "plan", "apply", "undo"))
times = dict(line.split() for line in (work / "times").read_text().splitlines())
cost, unmanaged = Fraction(plan["plan_cost"]), Fraction(plan["unmanaged"])
verified = [one for one in apply["devices"] if one["registers"]]

print()
print(f"checked    {check['counts']['rules']} rules, {check['counts']['questions']} questions asked, "
      f"{check['errors']} errors")
print(f"planned    {plan['steps']} steps, {money(cost)} {plan['currency']} "
      f"against {money(unmanaged)} with nobody deciding")
if plan.get("unmanaged_parts"):
    parts = plan["unmanaged_parts"]
    dear = max(parts["demand"], key=lambda charge: Fraction(charge["peak"]), default=None)
    energy = money(Fraction(parts["energy"]) - Fraction(parts["export"]))
    demand = money(sum(Fraction(charge["decided"]) for charge in parts["demand"]))
    peak = f" for a peak of {float(Fraction(dear['peak'])):.0f} kW, {float(Fraction(dear['known'])):.0f} known" if dear else ""
    print(f"           {energy} of that for energy, {demand} in demand charges{peak}")
print(f"written    {apply['registers_written']} registers, {len(verified)} devices verified in effect, "
      f"{len(writes(work / 'writes'))} writes seen by the gateways")
for one in verified:
    print(f"           {one['device']:<12} {one['before']} -> {one['after']}: {one.get('outcome', '-')}")
print(f"undone     exit {undo['exit']}, after the battery's register took no value")
for one in undo["devices"]:
    if one.get("outcome"):
        print(f"           {one['device']:<12} {one['outcome']}" + (f": {one['detail']}" if one.get("detail") else ""))
print("wall time  " + ", ".join(f"{name} {ms} ms" for name, ms in times.items()))
