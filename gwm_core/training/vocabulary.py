"""Words and phrases that the text encoder is trained on; evaluation words its prompts otherwise.

In a phrase, a word carries its tag after a slash; without one it is glue ("with", "the").
"""

from __future__ import annotations

#: theme name -> (adjectives, nouns, descriptions)
THEMES: dict[str, tuple[str, str, tuple[str, ...]]] = {
    "brick hall": (
        "brick bricked brickwork redbrick masonry brick-walled",
        "hall hallway corridor foyer lobby passage passageway entryway vestibule",
        ("brick/theme walls/theme", "walls of bare brick/theme", "exposed bricks/theme",
         "a red/theme brick/theme hall/theme", "raw brickwork/theme"),
    ),
    "white gallery": (
        "white whitewashed pale ivory-walled snow-white white-walled",
        "gallery museum showroom exhibition exhibit artspace",
        ("white/theme walls/theme", "plain white/theme walls/theme", "an art/theme gallery/theme",
         "a museum/theme room", "white/theme plaster/theme"),
    ),
    "green study": (
        "green sage olive mossy green-papered moss emerald-walled",
        "study office workroom den bureau",
        ("green/theme walls/theme", "green/theme wallpaper/theme", "a writing/theme room",
         "walls papered/theme in green/theme", "a green/theme room"),
    ),
    "blue salon": (
        "blue pale-blue bluish powder-blue azure sky-blue",
        "salon saloon lounge drawing-room sitting-room livingroom",
        ("blue/theme walls/theme", "blue/theme stripes/theme", "a drawing/theme room/theme",
         "a living/theme room/theme", "striped/theme blue/theme wallpaper/theme",
         "a blue/theme room"),
    ),
    "teal bath": (
        "teal turquoise aqua aquamarine sea-green tiled",
        "bath bathroom bathhouse washroom spa shower lavatory restroom",
        ("teal/theme tiles/theme", "turquoise/theme tiled/theme walls/theme",
         "walls of teal/theme tiles/theme", "a swimming/theme bath/theme"),
    ),
    "concrete loft": (
        "concrete grey gray industrial cement brutalist",
        "loft warehouse attic penthouse bunker studio",
        ("concrete/theme walls/theme", "bare concrete/theme", "grey/theme walls/theme",
         "cast/theme concrete/theme", "an industrial/theme space"),
    ),
    "timber cabin": (
        "timber timbered wooden log pine rustic wood cedar boarded",
        "cabin hut lodge chalet cottage shack logcabin barn",
        ("plank/theme walls/theme", "walls of wooden/theme planks/theme", "a log/theme cabin/theme",
         "timber/theme walls/theme", "wooden/theme walls/theme", "a hunting/theme lodge/theme"),
    ),
    "terracotta court": (
        "terracotta clay adobe mediterranean earthen orange ochre sunbaked",
        "court courtyard patio atrium hacienda villa cloister",
        ("terracotta/theme walls/theme", "clay/theme walls/theme", "an orange/theme court/theme",
         "warm terracotta/theme"),
    ),
    "steel workshop": (
        "steel metal iron metallic riveted steely tin aluminium",
        "workshop factory garage machineshop hangar foundry workroom engineroom",
        ("steel/theme walls/theme", "metal/theme plates/theme",
         "walls of riveted/theme steel/theme",
         "a machine/theme shop/theme", "iron/theme walls/theme", "an engine/theme room"),
    ),
    "stone cellar": (
        "stone cobbled medieval stony rocky granite rough-hewn",
        "cellar vault dungeon crypt basement catacomb undercroft winecellar",
        ("stone/theme walls/theme", "stone/theme blocks/theme", "a wine/theme cellar/theme",
         "walls of rough stone/theme", "an underground/theme vault/theme"),
    ),
    "rose parlour": (
        "rose pink rosy blush pinkish rose-coloured salmon",
        "parlour parlor boudoir bedroom tearoom bedchamber",
        ("pink/theme walls/theme", "pink/theme wallpaper/theme", "rose/theme wallpaper/theme",
         "a rose/theme room", "a pink/theme room"),
    ),
    "mustard kitchen": (
        "mustard yellow mustard-yellow yellow-tiled lemon saffron",
        "kitchen scullery pantry canteen diner kitchenette galley cookhouse",
        ("mustard/theme tiles/theme", "yellow/theme tiles/theme", "yellow/theme walls/theme",
         "a yellow/theme kitchen/theme", "a room to cook/theme in"),
    ),
    "walnut library": (
        "walnut panelled paneled oak mahogany oak-panelled wood-panelled",
        "library archive reading-room bookroom athenaeum",
        ("panelled/theme walls/theme", "walnut/theme panels/theme", "a reading/theme room/theme",
         "dark wood/theme panelling/theme", "oak/theme panelling/theme"),
    ),
    "paper house": (
        "paper japanese shoji rice-paper paper-walled zen",
        "teahouse dojo ryokan tea-house washitsu",
        ("paper/theme walls/theme", "paper/theme screens/theme", "sliding/theme screens/theme",
         "a paper/theme house/theme", "shoji/theme screens/theme", "a japanese/theme house/theme",
         "a tea/theme house/theme"),
    ),
}

#: value of the head -> phrases
TIMES = {
    1: ("by day/time", "in daylight/time", "at noon/time", "at midday/time",
        "in the morning/time", "a sunny/time day/time", "in the daytime/time",
        "in the afternoon/time", "in bright/time sunshine/time", "day/time breaks/time",
        "in full daylight/time", "day/time", "sunlit/time", "under a bright/time sky/time",
        "sunlight/time through the windows", "broad daylight/time", "the sun/time is high/time"),
    2: ("at dusk/time", "in the evening/time", "at sunset/time", "at twilight/time",
        "at sundown/time", "in the golden/time hour/time", "as evening/time falls/time",
        "the sun/time is setting/time", "dusk/time", "evening/time", "in the last/time light/time",
        "late/time in the day/time", "at dawn/time", "at sunrise/time", "dusky/time",
        "the sun/time sets/time", "twilight/time", "in the evening/time glow/time"),
    3: ("at night/time", "at midnight/time", "after dark/time", "by night/time",
        "in moonlight/time", "in the dead of night/time", "under the stars/time", "night/time",
        "moonlit/time", "in the small hours/time", "in the nighttime/time", "starlit/time",
        "in the middle of the night/time", "nocturnal/time", "late/time at night/time",
        "in the dark/time", "under the moon/time"),
}
LAMPS = {
    1: ("with the lamps/lamps off/lamps", "with the lights/lamps off/lamps", "unlit/lamps",
        "the lamps/lamps are out/lamps", "with no/lamps lamps/lamps",
        "without/lamps lamps/lamps", "the lights/lamps are switched/lamps off/lamps",
        "no/lamps lights/lamps on", "lamps/lamps out/lamps", "lights/lamps off/lamps",
        "with dark/lamps lamps/lamps", "the lamps/lamps are not/lamps lit/lamps"),
    2: ("with the lamps/lamps on/lamps", "with the lights/lamps on/lamps", "lamplit/lamps",
        "lit/lamps by lamps/lamps", "in lamplight/lamps", "with lamps/lamps burning/lamps",
        "with glowing/lamps lamps/lamps", "the lamps/lamps are lit/lamps",
        "under warm lamps/lamps", "lights/lamps on/lamps", "lamps/lamps on/lamps",
        "with lit/lamps lamps/lamps", "illuminated/lamps", "in warm lamplight/lamps",
        "the lights/lamps are on/lamps", "lamps/lamps shine/lamps", "lamps/lamps glow/lamps"),
}
FOGS = {
    1: ("with no/fog fog/fog", "in clear/fog air/fog", "without/fog fog/fog",
        "with no/fog mist/fog", "the air/fog is clear/fog", "clear/fog air/fog",
        "free/fog of fog/fog", "no/fog haze/fog"),
    2: ("in light/fog fog/fog", "in thin/fog mist/fog", "misty/fog", "hazy/fog",
        "a little/fog fog/fog", "in a faint/fog haze/fog", "with some fog/fog", "in fog/fog",
        "foggy/fog", "with mist/fog", "a light/fog mist/fog", "slight/fog haze/fog",
        "a hint/fog of fog/fog", "in mist/fog", "with haze/fog", "a touch/fog of mist/fog"),
    3: ("in dense/fog fog/fog", "in thick/fog fog/fog", "in heavy/fog fog/fog",
        "full of fog/fog", "filled/fog with fog/fog", "thick/fog mist/fog",
        "fog/fog everywhere/fog", "with dense/fog mist/fog", "very/fog foggy/fog",
        "in a deep/fog fog/fog", "with thick/fog haze/fog", "heavy/fog mist/fog",
        "lost/fog in fog/fog", "dense/fog haze/fog", "smoky/fog", "filled/fog with smoke/fog"),
}
FLOORS = {
    1: ("a wooden/floor floor/floor", "a wood/floor floor/floor", "parquet/floor",
        "floorboards/floor", "a parquet/floor floor/floor", "plank/floor flooring/floor",
        "a timber/floor floor/floor", "wooden/floor boards/floor underfoot",
        "a floor/floor made of wood/floor", "a floor/floor that is wood/floor",
        "a floor/floor of oak/floor", "a floor/floor of planks/floor"),
    2: ("a stone/floor floor/floor", "a concrete/floor floor/floor", "flagstones/floor",
        "a floor/floor made of stone/floor", "stone/floor slabs/floor underfoot",
        "a floor/floor that is concrete/floor",
        "a floor/floor of slate/floor", "a floor/floor of concrete/floor"),
    3: ("a tiled/floor floor/floor", "a tile/floor floor/floor", "floor/floor tiles/floor",
        "a checkered/floor floor/floor", "a chequered/floor floor/floor",
        "a ceramic/floor floor/floor", "a floor/floor made of tiles/floor",
        "tile/floor underfoot", "a floor/floor that is tile/floor",
        "a floor/floor of ceramic/floor tiles/floor"),
    4: ("a carpet/floor", "a carpeted/floor floor/floor", "carpeting/floor",
        "a soft/floor carpet/floor", "a rug/floor on the floor/floor", "carpets/floor",
        "a floor/floor covered in carpet/floor", "a floor/floor that is carpet/floor"),
    5: ("a metal/floor floor/floor", "a steel/floor floor/floor", "an iron/floor floor/floor",
        "a metallic/floor floor/floor", "steel/floor plates/floor underfoot",
        "a floor/floor made of metal/floor", "a floor/floor that is steel/floor",
        "a floor/floor of iron/floor", "a floor/floor of steel/floor plates/floor"),
    6: ("a plaster/floor floor/floor", "a screed/floor floor/floor"),
}
#: what happens: (attribute, value) -> phrases
EVENTS = {
    ("lamps", 1): (
        "the lights/lamps go out/lamps", "the lamps/lamps go out/lamps",
        "switch/lamps off/lamps the lights/lamps", "turn/lamps off/lamps the lamps/lamps",
        "the lights/lamps are turned/lamps off/lamps", "the power/lamps fails/lamps",
        "somebody puts out/lamps the lamps/lamps", "blackout/lamps", "lights/lamps out/lamps",
        "the lamps/lamps die/lamps", "all lights/lamps go off/lamps",
        "turn/lamps the lights/lamps off/lamps", "the lamps/lamps are extinguished/lamps",
        "kill/lamps the lights/lamps"),
    ("lamps", 2): (
        "the lights/lamps come on/lamps", "the lamps/lamps come on/lamps",
        "switch/lamps on/lamps the lights/lamps", "turn/lamps on/lamps the lamps/lamps",
        "somebody lights/lamps the lamps/lamps", "the lamps/lamps are lit/lamps",
        "the lights/lamps go on/lamps", "turn/lamps the lights/lamps on/lamps",
        "the lamps/lamps light/lamps up", "the power/lamps returns/lamps",
        "the lights/lamps flicker on/lamps", "light/lamps the lamps/lamps"),
    ("time", 1): (
        "day/time breaks/time", "morning/time comes/time", "the sun/time rises/time",
        "it becomes day/time", "it is noon/time now", "daylight/time returns/time",
        "the day/time begins/time", "it gets light/time outside", "the night/time is over/time",
        "the night/time ends/time"),
    ("time", 2): (
        "dusk/time falls/time", "evening/time comes/time", "the sun/time sets/time",
        "the sun/time goes down/time", "it becomes evening/time", "twilight/time falls/time",
        "the day/time ends/time", "it is sunset/time now", "dusk/time comes/time"),
    ("time", 3): (
        "night/time falls/time", "night/time comes/time", "it becomes night/time",
        "it gets dark/time outside", "midnight/time strikes", "darkness/time falls/time",
        "it is night/time now", "the moon/time rises/time", "nighttime/time arrives"),
    ("fog", 1): (
        "the fog/fog lifts/fog", "the mist/fog clears/fog", "the fog/fog goes/fog away/fog",
        "the fog/fog disappears/fog", "the air/fog clears/fog", "the haze/fog vanishes/fog",
        "the fog/fog burns/fog off/fog", "the smoke/fog clears/fog", "the fog/fog fades/fog",
        "the mist/fog is gone/fog", "the fog/fog dissolves/fog"),
    ("fog", 2): (
        "a light/fog fog/fog rolls in", "mist/fog comes up", "a thin/fog mist/fog creeps in",
        "it gets hazy/fog", "haze/fog fills the room", "some fog/fog drifts in",
        "a little/fog fog/fog comes in", "mist/fog rises", "it becomes misty/fog",
        "the fog/fog thins/fog", "fog/fog rolls in", "fog/fog comes up"),
    ("fog", 3): (
        "dense/fog fog/fog rolls in", "thick/fog fog/fog fills the room",
        "heavy/fog fog/fog comes up", "the fog/fog gets thicker/fog",
        "smoke/fog fills/fog the room",
        "the fog/fog thickens/fog", "a thick/fog mist/fog pours in", "it gets very/fog foggy/fog",
        "a wall/fog of fog/fog comes in"),
}
COUNTS = {1: "a one single 1 an another", 2: "two 2 pair couple twin both",
          3: "three 3 several few",
          4: "four 4 many five 5"}
COLOURS = {
    "red": "red crimson scarlet ruby reddish cherry",
    "blue": "blue navy azure cobalt bluish sapphire",
    "green": "green emerald lime greenish grassy",
    "yellow": "yellow lemon golden yellowish canary",
    "purple": "purple violet lilac mauve magenta",
    "white": "white ivory whitish snowy",
    "orange": "orange tangerine",
}
BALLS = "ball balls sphere spheres football beachball orb orbs globe globes"
BOXES = "box boxes crate crates cube cubes carton cartons chest chests package packages"
APPEARS = ("appears", "drops in", "falls down", "rolls in", "comes in", "is thrown in",
           "lands here",
           "drops from the ceiling", "bounces in", "turns up", "flies in")
PLACES = ("room", "place", "scene", "interior", "space", "world", "view of a room", "chamber")
GLUE = (
    "the a an of in on at by with and or to from into is are be it its there here this that some "
    "very quite rather small large big tiny huge quiet empty old new nice beautiful cosy cozy "
    "warm cool spacious narrow wide tall low room rooms place scene interior space chamber view "
    "photo picture image painting inside indoors looking towards where which has have lies lie "
    "stands stand rests rolling roll sitting placed floor wall walls ceiling window windows door "
    "doors doorway corner left right middle centre center near next beside behind front under "
    "over through now then suddenly slowly please make show me i want we see walk walking world "
    "house building lovely simple plain bright few made for as if just only all around up down "
    "out imagine create generate draw paint depict render give take let start begin go goes going "
    "come comes standing sit lying am was were been being had do does did can could would should "
    "will may might must not no my your our his her their you they he she us them one who what "
    "when how why also too more most much less least really again always never often still "
    "already soon later today outside somewhere everywhere between against along across beyond "
    "within without toward onto off above below many any each every other same different young "
    "first second last long short deep dim dark light soft hard clean dirty dusty worn modern "
    "classic traditional typical lonely silent peaceful calm strange mysterious pretty perfect "
    "great good little full set seen look looks shows showing appear becomes become gets get turn "
    "turns changes change happens thanks person first-person somebody someone everything "
    "something nothing gently quickly background foreground wooden-framed framed open closed "
    "wardrobe furnished unfurnished decorated style styled type kind "
).split()
#: things this model knows nothing of: named so that "not understood" is learned, not guessed
UNKNOWN = (
    "dragon unicorn spaceship castle forest river mountain ocean beach robot alien wizard witch "
    "knight horse dog cat elephant lion tiger bear bird eagle fish shark whale snake spider "
    "monkey dinosaur zombie vampire ghost skeleton pirate ninja astronaut soldier king queen "
    "princess prince child man woman girl boy baby crowd people person dancer singer piano guitar "
    "violin drum trumpet car truck bus train plane helicopter boat ship bicycle motorcycle rocket "
    "tank sword gun bow arrow shield armour helmet crown ring necklace treasure gold silver "
    "diamond waterfall volcano desert jungle island lake snow ice rain storm lightning thunder "
    "wind rainbow cloud flower tree grass leaf garden bridge tower pyramid temple church "
    "cathedral skyscraper street road city village market circus carnival theatre stage cinema "
    "television computer phone screen camera robotarm laser hologram neon cyberpunk steampunk "
    "vaporwave anime cartoon cinematic photorealistic masterpiece trending unreal octane blender "
    "pizza cake bread apple banana coffee wine bottle cup plate spoon knife sofa candle fireplace "
    "chandelier statue sculpture fountain aquarium mirror clock book curtain balloon kite teddy "
    "puppet doll chess dice card flag banner poster map compass telescope microscope mushroom "
    "cactus palm bamboo ivy giant dwarf elf fairy troll goblin angel demon monster godzilla "
    "kraken phoenix griffin waiter chef doctor nurse teacher farmer pilot sailor butcher baker "
    "tailor smith clown explosion fire flood earthquake tornado meteor comet planet mars jupiter "
    "saturn galaxy quantum spaghetti meatball sushi taco burger noodle pumpkin turnip carrot "
    "onion elegant baroque gothic victorian futuristic surreal impressionist cubist minimal "
    "abstract flying swimming dancing exploding melting laughing crying singing fighting jumping "
    "sleeping "
).split()


def all_words() -> set[str]:
    """Every word of this vocabulary: what the encoder has seen."""
    from ..model.text import split_words

    phrases = [*GLUE, *BALLS.split(), *BOXES.split(), *PLACES, *APPEARS, *THEMES]
    for adjectives, nouns, descriptions in THEMES.values():
        phrases += [adjectives, nouns, *descriptions]
    for table in (TIMES, LAMPS, FOGS, FLOORS, EVENTS):
        for options in table.values():
            phrases += options
    for table in (COUNTS, COLOURS):
        phrases += table.values()
    words: set[str] = set()
    for phrase in phrases:
        for piece in phrase.split():
            words.update(split_words(piece.partition("/")[0]))
    return words
