"""`people`: the runs on people never seen, and the network that comes of them."""

from atlas_lab.commands.numbers import processes
from atlas_lab.system.disk import expand

__all__ = ["add"]


def add(command):
    """Add this command."""
    sub = command("people", _run_people, "Train the planned networks, and score each on people it has never seen.")
    sub.add_argument("--out", type=expand, help="for records and scores (default: runs/people in ATLAS_LAB_HOME)")
    sub.add_argument("--jobs", type=processes, default=2, help="single-threaded runs at a time (default 2)")
    sub.add_argument("--lesions", type=expand, help="folder of real lesion masks, to score final networks on too")
    sub.add_argument("--plan", action="store_true", help="print the table of planned runs, and train nothing")
    sub.add_argument("--ship", action="store_true", help="write the network that predict uses, and its model card")
    sub.add_argument("names", nargs="*", metavar="ROW", help='rows of the plan, such as "U-Net" (default: all)')


def _run_people(options):
    """The command `people`; a later call goes on with what is not recorded yet."""
    from atlas_lab.paper.many_people import BESIDE, MANY
    from atlas_lab.paper.people_claims import people_page
    from atlas_lab.paper.people_plan import plan_table
    from atlas_lab.paper.people_records import load_people, people_folder, record_people
    from atlas_lab.paper.processing_choice import process_rows
    from atlas_lab.paper.shipped_network import ship_network

    if options.plan:
        print(plan_table(), f"Beside the plan, for what predict uses: {MANY}. {BESIDE}", sep="\n")
    elif options.ship:
        print(ship_network(options.out))
    else:
        folder = options.out or people_folder()
        record_people(options.names, folder, options.jobs, lesions=options.lesions)
        process_rows(options.names, folder, lesions=options.lesions)
        print(people_page(load_people(folder)))
