"""The table that ATLAS R1.1 brings along, filled for the embedded cohort."""

__all__ = ["METADATA", "metadata"]

METADATA = "ATLAS_Meta-Data_Release_1.1_standard_mni.csv"


def metadata(records):
    """The table that ATLAS R1.1 brings along, one row per scan, with its column names and habits."""
    import pandas

    rows = []
    for record in sorted(records, key=lambda r: r["subject"]):
        sessions = sorted({name.split("/")[2] for name in record["files"] if "t1w" in name})
        rows += [_metadata_row(record, session) for session in sessions]
    return pandas.DataFrame(rows)


def _metadata_row(record, session):
    """One scan's row: the id has lost its leading zero and the session has gained a space, as in ATLAS."""
    aimed, measured = record["aimed"], record["measured"]
    place, left = aimed.get("place", "unknown"), measured["left"]
    hemisphere = "Left" if left > 0.8 else "Right" if left < 0.2 else "Bilateral"
    hemisphere = {"brainstem": "Brainstem", "none": "None"}.get(place, hemisphere)
    count = 0 if place == "none" else max(1, measured["components"])
    on_left = round(count * left)
    strokes = {
        ("LH", "Cortical"): 0,
        ("LH", "subcortical"): 0,
        ("RH", "Cortical"): 0,
        ("RH", "subcortical"): 0,
    }
    if place in ("cortical", "subcortical"):
        kind = "Cortical" if place == "cortical" else "subcortical"
        strokes[("LH", kind)], strokes[("RH", kind)] = on_left, count - on_left
    return {
        "INDI Site ID": record["site"],
        "INDI Subject ID": int(record["subject"]),
        "Session": f" {session}",
        **{f"# Strokes {side} {kind}": n for (side, kind), n in strokes.items()},
        "Other Location": count if place in ("brainstem", "cerebellum") else 0,
        "Stroke type": "None" if place == "none" else "Embolic",
        "Primary Stroke Location": place.capitalize(),
        "Primary Stroke Location Hemisphere": hemisphere,
        "Vascular territory": aimed.get("territory", "unknown"),
        "PVH": record.get("pvh", 0),  # version 1 has no white matter hyperintensities
        "DWMH": record.get("dwmh", 0),
        "Notes": "synthetic, not patient data",
    }
