"""Names of people who do not exist: a colour and a bird, and a number when the pairs run out."""

_COLOURS = (  # noqa: SIM905 - a list would take a line for each
    "Amber Azure Beige Bronze Cerise Cobalt Copper Coral Cream Crimson Cyan Ebony Emerald Fawn Garnet "
    "Golden Hazel Indigo Ivory Jade Khaki Lilac Lime Magenta Maroon Mauve Mint Ochre Olive Onyx Opal "
    "Orchid Pearl Plum Rose Russet Saffron Scarlet Sepia Silver Slate Teal Topaz Umber Violet White"
).split()
_BIRDS = (  # noqa: SIM905 - a list would take a line for each
    "Avocet Bittern Bunting Buzzard Chough Condor Coot Cormorant Crake Crane Curlew Dipper Dotterel "
    "Dunlin Egret Eider Falcon Fieldfare Finch Fulmar Gannet Godwit Goshawk Grebe Grouse Harrier Heron "
    "Hoopoe Ibis Jackdaw Jay Kestrel Kingfisher Kite Knot Lapwing Linnet Magpie Merlin Nightjar Nuthatch "
    "Oriole Osprey Ouzel Partridge Petrel Pipit Plover Puffin Quail Rail Raven Redstart Robin Rook Ruff "
    "Sanderling Serin Shrike Siskin Skua Snipe Starling Stilt Stork Swallow Swift Teal Tern Thrush "
    "Turnstone Wagtail Warbler Waxwing Wheatear Whimbrel Wigeon Wren Wryneck"
).split()

HOSTILE = (
    "<script>document.title='owned'</script>",
    "\u202eeman sdrawkcab",
    "=cmd|' /C calc'!A0",
    "N" * 10_000,
    '"><img src=x onerror=alert(1)>',
    "\u05d0\u05d1\u05d2\u05d3 \u0627\u0628\u062a\u062b",
    "@SUM(1+1)*cmd",
    "Robert'); DROP TABLE activity;--",
    "nul\u0000tab\tline\nbreak",
    "\U0001f600\U0001f469\u200d\U0001f680 zalgo\u0336\u0322",
)
"""Names that break pages, terminals and spreadsheets which do not escape what they print."""


def person_name(number: int) -> str:
    """Return the display name of the person of this number, the same for ever and different from all others."""
    pairs = len(_COLOURS) * len(_BIRDS)
    scattered = number * 1_009 % pairs
    name = f"{_COLOURS[scattered % len(_COLOURS)]} {_BIRDS[scattered // len(_COLOURS)]}"
    return name if number < pairs else f"{name} {number // pairs + 1}"
