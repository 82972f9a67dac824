"""The words of the synthetic briefs: nouns, colours, details, places, backgrounds, moods and small talk."""

from training.brief_more_words import (  # fmt: skip
    MORE_AFTER_DETAILS,
    MORE_BACKGROUND_PHRASES,
    MORE_CLOSINGS,
    MORE_COLOURS,
    MORE_DETAILS,
    MORE_ELSEWHERE,
    MORE_IRREGULAR,
    MORE_LIGHTS,
    MORE_MOODS,
    MORE_OPENINGS,
    MORE_OTHERS,
    MORE_STYLES,
)

# What the pocket model knows, by many names, with its usual colour for briefs that say none.
KNOWN = {
    name: colour
    for colour, names in {
        "orange": "cat, kitten, kitty, tomcat, dog, puppy, hound, snail, house, cottage, home, hut, cabin, farmhouse",
        "white": "rabbit, bunny, hare, rocket, spaceship, space rocket, space ship, sailboat, boat, ship, yacht, sailing boat, "
        "sailing ship, castle, palace, fortress, robot, android, droid",
        "blue": "fish, goldfish, bird, songbird, sparrow, whale",
        "yellow": "duck, mallard, bus, coach, school bus, crown, tiara, star, moon, crescent",
        "purple": "butterfly, moth, umbrella, parasol",
        "green": "turtle, tortoise, sea turtle, tree, oak, fir tree, apple tree, cactus",
        "red": "apple, mushroom, toadstool, car, automobile, taxi, sports car, race car, old-timer, van, guitar, electric guitar, "
        "balloon, hot air balloon, heart",
        "pink": "cupcake, muffin, cake, tulip, flower, blossom, daisy",
    }.items()
    for name in names.split(", ")
}  # fmt: skip
# Nouns that the pocket model may not know: the planner must copy them, not replace them. By their usual colour.
OTHERS = {
    name: colour
    for colour, names in {
        "black and white": "zebra, panda, panda bear, football, soccer ball, piano keyboard, chess set",
        "brown": "hamburger, bed, rowing boat, rocking chair, wardrobe, bookshelf, chest of drawers, cuckoo clock, rolling pin, chopping board, wine barrel, briefcase, cowboy boot, sandal, belt, wallet, baseball glove, croissant, "
        "bagel, baguette, brownie, almond, hazelnut, peanut, cinnamon stick, chocolate bar, doormat, ukulele, double bass, mandolin, totem pole, mammoth, buffalo, chipmunk, groundhog, platypus, alpaca, "
        "pony, foal, dachshund, sloth, wren, nightingale, quail, turkey, birdhouse, dog kennel, log cabin, tree stump, coat rack, walking stick, picnic basket, bedside table, cigar, reindeer, sea lion, "
        "centaur, baked potato, hiking boot, "
        "hen, falcon, hawk, bison, bull, mole, rat, hamster, weasel, stool, bench, cupboard, broom, ladder, cabin trunk, banjo, walnut, chestnut, pretzel, loaf of bread, cup of tea, bowl of nuts, pile of leaves, raft, canoe, gingerbread man, scarecrow, cowboy, hiker, monk, sparrow hawk, guinea pig, treasure chest, coffee bean, bowler hat, pine cone, fence, gate, "
        "horse, bear, owl, monkey, chair, table, violin, shoe, boot, teddy bear, deer, hedgehog, squirrel, beaver, otter, camel, "
        "kangaroo, donkey, cello, barrel, basket, door, desk, cookie, potato, acorn, coconut, wagon, saddle, nest, log, sofa, wombat, moose",
        "grey": "spanner, saw, drill, axe, anvil, nail, screw, cheese grater, whisk, ladle, saucepan, tap, iron, sewing machine, stapler, paper clip, safety pin, thimble, telescope, microscope, humpback whale, "
        "narwhal, armadillo, porcupine, stingray, dumbbell, padlock, parking meter, cement mixer, teaspoon, butter knife, aircraft carrier, gargoyle, tombstone, mosque, wheelbarrow, kitchen scale, sardine, "
        "cuckoo, hammerhead shark, knight's helmet, suit of armour, flying saucer, "
        "heron, ostrich, badger, lynx, catfish, wrench, screwdriver, coin, pebble, pyramid, fountain, radio, microphone, laptop, toaster, fridge, pan, gear, wheel, helmet, shield, drone, stone lion, tin can, watering can, knife, vacuum cleaner, battleship, zeppelin, manatee, "
        "elephant, tower, bridge, mouse, shark, rhino, hippo, dolphin, koala, wolf, raccoon, statue, rock, spoon, "
        "fork, robot dog, submarine, anchor, sword, hammer, bucket, tank, satellite, washing machine, kettle, seal, walrus, pigeon",
        "yellow": "rubber duck, taxi cab, rubber boot, hard hat, forklift, steamroller, dump truck, straw hat, honeycomb, bumblebee, tennis ball, sponge, tape measure, ruler, tuba, French horn, trombone, omelette, "
        "buttercup, primrose, goldfinch, lion cub, sun hat, sand castle, waffle, chandelier, weathercock, cheese sandwich, school bell, road sign, cab, hay cart, gold bar, cymbal, "
        "ray of light, bowl of soup, pot of honey, slice of cheese, glass of juice, lemonade stand, school desk, raincoat, pasta, star fruit, daffodil, excavator, wasp, eagle chick, baby duck, corn, mango, harp, bowl of rice, hay bale, torch, "
        "lion, bee, lamp, banana, trumpet, sunflower, key, bell, sun, giraffe, chick, lemon, cheese, corn cob, pineapple, pencil, "
        "digger, saxophone, canary, bulldozer, medal, trophy, pancake, light bulb, leopard, cheetah",
        "green": "leprechaun, ogre, pea pod, lettuce, artichoke, courgette, zucchini, bonsai tree, aloe vera, cypress, Christmas tree, four-leaf clover, billiard table, tree frog, alligator, praying mantis, triceratops, "
        "stegosaurus, jeep, recycling bin, olive, gherkin, lily pad, garden chair, ivy leaf, fir, park bench, sea monster, wellington boot, combine harvester, monstera, Venus flytrap, "
        "goblin, elf, toad, cabbage, lime, kiwi, clover, bamboo, vine, hedge, glass of lemonade, mantis, gecko, beetle car, soldier, wreath, pea, bell pepper, wine bottle, bunch of grapes, bag of apples, kale, garden hose, "
        "frog, dragon, bottle, pear, bush, train, helicopter, tractor, dinosaur, alien, crocodile, snake, lizard, parrot, leaf, "
        "broccoli, cucumber, watermelon, avocado, grasshopper, caterpillar, iguana, pine, palm tree, fern, pickle, chameleon",
        "black": "grand piano, steam engine, steam train, hearse, vinyl record, street lamp, gondola, cormorant, jackdaw, tarantula, scorpion, mussel, espresso machine, wok, hockey puck, witch's hat, chimney sweep, "
        "dress shoe, ballpoint pen, game controller, television, stove, cooking pot, barbecue grill, vampire, "
        "pirate, ninja, magpie, orca, gorilla, tyre, record player, bowling ball, limousine, top hat, umbrella stand, pirate ship, oven, cauldron, chess piece, blackbird, tuxedo, cup of coffee, frying pan, vulture, skunk, "
        "penguin, piano, hat, spider, crow, raven, bat, panther, beetle, ant, camera, motorcycle, locomotive, typewriter, cannon",
        "white": "sneaker, birthday cake, dress shirt, wedding cake, wedding dress, chef's hat, espresso cup, coffee mug, sugar bowl, salt shaker, milk jug, egg cup, snow globe, snowy owl, arctic fox, cockatoo, egret, dalmatian, golf ball, volleyball, "
        "baseball, ping-pong ball, toilet roll, bathrobe, lab coat, cauliflower, rice ball, wind turbine, spacesuit, space shuttle, ice skate, bone, snowdrop, jasmine, magnolia, shirt, T-shirt, sailor's cap, "
        "rocking horse, cruise ship, ferry, camper van, refrigerator, tern, barn owl, pegasus, snow leopard, chess board, dishwasher, "
        "nurse, chef, bride, knight, king, pelican, albatross, ermine, lamb, poodle, mountain goat, glass of milk, bowl of cream, piece of paper, envelope, tooth fairy, pearl, daisy chain, ice bear, moonstone, toilet, sink, bottle of milk, ambulance, caravan, lily, swan boat, marshmallow, iceberg, feather, skull, skeleton, mummy, yeti, stork, eagle owl, dice, shepherd dog, dandelion, "
        "sheep, clock, cup, airplane, lighthouse, cloud, snowman, ghost, candle, cow, unicorn, swan, goose, polar bear, plate, "
        "egg, tooth, bathtub, goat, dove, seagull, igloo, windmill, church, mug, vase, pillow, angel, astronaut, bowl, paper plane, llama",
        "orange": "life buoy, clementine, mandarin, persimmon, nectarine, seahorse, hermit crab, sweet potato, jack-o'-lantern, fox cub, monarch butterfly, prawn, shrimp, tiger lily, road cone, phoenix, rescue helicopter, "
        "bird of paradise, "
        "papaya, apricot, basket of oranges, salmon, tiger cub, oriole, life jacket, goldfish bowl, bonfire, campfire, marigold, lynx cub, safety vest, maple leaf, orangutan, cup of soup, bag of chips, "
        "fox, pizza, carrot, tent, tiger, pumpkin, peach, basketball, crane, traffic cone, clownfish, koi, squash",
        "red": "fire engine, fire extinguisher, phone box, telephone box, toolbox, ketchup bottle, chilli pepper, cranberry, redcurrant, rose bush, carnation, geranium, poinsettia, hibiscus, woodpecker, salami, "
        "London bus, matchbox, Ferris wheel, cricket ball, toy train, pickup truck, rugby shirt, evening gown, gumball machine, steak, bishop, jester, superhero, cable car, tugboat, wax seal, alarm clock, "
        "Swiss army knife, "
        "box of chocolates, bunch of roses, slice of pizza, bowl of cherries, stack of bricks, raspberry, pomegranate, radish, double-decker, postbox, armchair, carpet, queen, clown, firefighter, santa, gnome, dragonfly, cardinal, macaw, tomato plant, toy truck, candy cane, pepper, jar of jam, stop sign, lipstick, tractor trailer, boxing glove, sleigh, hot dog, "
        "strawberry, cherry, rose, truck, drum, ball, kite, gift, crab, fire truck, ladybug, lobster, tomato, chili, barn, telephone, "
        "mailbox, lantern, backpack, scarf, robin, rooster, sled, racing car, poppy, devil, accordion, mitten",
        "blue": "pair of jeans, baseball cap, bluebell, forget-me-not, cornflower, hyacinth, police car, rubber dinghy, speedboat, water bottle, snowflake, paint bucket, tuna, genie, merman, sleeping bag, narrow boat, "
        "mailbag, cargo ship, fishing boat, oil drum, sweater, jacket, jumper, cardigan, gas cylinder, dragon kite, lorry, "
        "sailor, pilot, pupil, kingfisher, blue tit, swordfish, manta ray, stack of books, glass of water, bottle of water, jar of ink, sapphire, waterfall, blueberry, bunch of violets, skateboard, surfboard, trolley, jug, bucket of water, raindrop, skirt, sock, "
        "book, teapot, bicycle, boy, peacock, jellyfish, bluebird, policeman, globe, tram, scooter, jay, "
        "swimming pool, hummingbird, mermaid, dress, pot, wizard hat, suitcase, plane",
        "pink": "strawberry milkshake, candy floss, macaron, cherry blossom, tutu, ballet shoe, hair dryer, conch shell, spoonbill, slice of ham, eraser, cosmos flower, sun lounger, jewellery box, baby rattle, "
        "rubber glove, bar of soap, powder puff, "
        "bouquet of roses, scoop of ice cream, slice of cake, plate of cookies, fairy, flamingo chick, peony, lotus, piggy bank, teacup, candy, sweet, cherry tree, worm, axolotl, ribbon, crib, handbag, "
        "girl, pig, flamingo, ice cream, ice cream cone, princess, piglet, doll, ballerina, bow, seashell, donut, lollipop",
        "purple": "thistle, pansy, foxglove, passion fruit, blackcurrant, sorceress, warlock, fortune teller, sea slug, allium, wisteria, lupin, gem, wizard's cloak, jelly, prune, fairy godmother, elderberry, bellflower, "
        "sorcerer, bunch of lavender, beetroot, fig, aubergine, cape, throne, potion, bottle of ink, grape vine, crocus, sea urchin, magic wand, crystal ball, ghost train, turnip, lilac bush, "
        "wizard, octopus, grape, eggplant, witch, plum, orchid, monster, squid, amethyst, iris, starfish, hippopotamus",
    }.items()
    for name in names.split(", ")
} | MORE_OTHERS  # fmt: skip
IRREGULAR = {
    "fish": "fish", "goldfish": "goldfish", "sheep": "sheep", "deer": "deer", "mouse": "mice", "goose": "geese", "wolf": "wolves",
    "leaf": "leaves", "tooth": "teeth", "cactus": "cactuses", "policeman": "policemen", "clownfish": "clownfish", "jellyfish": "jellyfish",
    "starfish": "starfish", "scarf": "scarves", "moose": "moose", "koi": "koi", "squid": "squid", "corn cob": "corn cobs", "snowman": "snowmen",
    "salmon": "salmon", "catfish": "catfish", "swordfish": "swordfish", "bison": "bison", "gingerbread man": "gingerbread men", "knife": "knives",
    "shelf": "shelves", "elf": "elves", "maple leaf": "maple leaves", "dice": "dice", "mango": "mangoes", "loaf of bread": "loaves of bread",
    "reindeer": "reindeer", "tuna": "tuna", "shrimp": "shrimp", "butter knife": "butter knives", "Swiss army knife": "Swiss army knives", "ivy leaf": "ivy leaves",
    "bookshelf": "bookshelves", "chest of drawers": "chests of drawers", "suit of armour": "suits of armour", "merman": "mermen", "aircraft carrier": "aircraft carriers",
    "bird of paradise": "birds of paradise", "pair of jeans": "pairs of jeans", "potato": "potatoes",
    "box of chocolates": "boxes of chocolates", "bunch of roses": "bunches of roses", "glass of milk": "glasses of milk",
} | MORE_IRREGULAR  # fmt: skip
PLAIN_COLOURS = (
    "red", "orange", "yellow", "green", "blue", "purple", "pink", "white", "black", "brown", "grey", "gray",
)  # fmt: skip
FINE_COLOURS = (
    "crimson", "scarlet", "tangerine", "golden", "lemon yellow", "emerald", "azure", "violet", "lilac", "rosy", "snowy white",
    "turquoise", "silver", "beige", "teal", "magenta", "navy blue", "sky blue", "lime green", "mint green", "ruby red", "cream",
    "maroon", "lavender", "cherry red", "olive green", "peach-coloured", "gold", "bronze", "coral", "rainbow-coloured",
    "black and white", "red and white", "blue and yellow", "green and white", "multicoloured", "cyan", "indigo", "ivory",
    "khaki", "mustard yellow", "rust red", "burgundy", "charcoal grey", "copper", "salmon pink", "forest green", "royal blue", "baby blue", "hot pink",
    "off-white", "tan", "ochre", "petrol blue", "aquamarine", "chocolate brown", "rose gold", "jet black", "fuchsia", "terracotta", "sage green",
    "bottle green", "pearl white", "brick red", "wine red", "steel blue", "teal", "khaki", "lilac", "bronze", "mustard yellow", "beige",
    *MORE_COLOURS,
)  # fmt: skip
SHADES = ("dark", "light", "bright", "pale", "deep", "neon", "pastel")
DETAILS = (
    "striped", "dotted", "shiny", "fluffy", "wooden", "tiny", "small", "big", "huge", "sleepy", "smiling", "glowing", "old",
    "little", "glass", "metallic", "round", "fat", "happy", "spotted", "velvet", "furry", "rusty", "tall", "cute", "funny",
    "polka-dotted", "checkered", "plain", "glossy", "matte", "sparkling", "fuzzy", "knitted", "giant", "large", "angry",
    "sad", "ancient", "modern", "cracked", "transparent", "marble", "paper", "leather", "woollen", "plastic", "muddy",
    "wet", "frozen", "sleeping", "dancing", "flying", "running", "very small", "very big", "enormous", "long", "chubby",
    "elegant", "broken", "brand-new", "slim", "patterned", "crystal", "hairy", "cheerful", "grumpy", "lonely",
    *MORE_DETAILS,
)  # fmt: skip
AFTER_DETAILS = (
    "with stripes", "with dots", "with white spots", "with black stripes", "made of glass", "made of wood", "wearing a hat",
    "with a scarf", "with big eyes", "with sunglasses", "made of paper", "wearing a red scarf", "with a long tail", "with a bow tie",
    "covered in dots", "made of stone", "with polka dots", "wearing boots", "with a smile", "with golden stripes", "full of flowers",
    *MORE_AFTER_DETAILS,
)  # fmt: skip
MOODS = (
    "cosy", "dreamy", "gloomy", "cheerful", "spooky", "calm", "magical", "romantic", "melancholic", "peaceful", "mysterious", "festive",
    "quiet", "dramatic", "playful", "sad", "happy", "eerie", "nostalgic", "whimsical", "serene", "joyful", "creepy", "lonely", "warm",
    "tender", "solemn", "lively", "sleepy", "epic", "cozy", "moody", "hopeful", "tense", "relaxed", "silly",
    *MORE_MOODS,
)  # fmt: skip
# (said in the brief, the light of the answer)
LIGHTS = tuple((said, said.split(" ", 1)[1]) for said in (
    "in soft morning light", "with dramatic lighting", "in pastel colours", "in golden light", "in candle light", "in thick fog", "in mist",
    "in warm light", "in bright sunshine", "with long shadows", "in soft light", "in neon light", "with strong contrast", "in cold light",
    "in dim light", "with a soft glow", "in muted colours", "in harsh light", "with glowing edges", "in hazy light",
    "in bright light", "in golden light", "in moonlight", "with soft moonlight", "in bright daylight", "in warm evening light", "in vivid colours", "in low light", "in soft pastel tones", "with gentle shadows", "in stormy light",
    *MORE_LIGHTS,
))  # fmt: skip
STYLES = (
    "glossy style", "glossy style", "flat style", "flat style", "glossy 3d style", "cartoon style", "comic style", "vintage style", "pixel style",
    "paper cut style", "flat illustration", "children's book illustration", "watercolour", "pixel art", "oil painting", "pencil sketch", "pencil drawing", "3d render",
    *MORE_STYLES,
)  # fmt: skip
USUAL_LIGHT = {
    "at night": "soft moonlight", "in the sky": "bright daylight", "at sunset": "warm evening light",
    "on a meadow": "fresh daylight", "on the beach": "bright sunshine", "in the snow": "cold clear light",
    "under water": "shimmering blue light", "in a room": "warm lamp light", "in the desert": "bright sunshine",
    "in the forest": "fresh daylight", "in the city": "clear daylight", "in the mountains": "cold clear light", "": "clear daylight",
}  # fmt: skip
# What people say for a background of the pocket world: phrases that end or open a brief, and whole sentences.
BACKGROUND_PHRASES: dict[str, tuple[str, ...]] = {
    "at night": (
        "at night", "in the starry night", "under the night sky", "in the dark", "under the stars", "with a starry sky behind",
        "under a dark sky", "at midnight", "by night", "in the middle of the night", "under a starry sky", "on a dark night",
        "late at night", "under a sky full of stars", "with stars in the background", "during the night", "at nighttime",
        "in the moonlit night", "on a starry night", "against a night sky", "night", "background night sky", "dark night background",
    ),
    "in the sky": (
        "in the sky", "in front of a blue sky", "high in the air", "with a clear blue sky behind", "up in the clouds", "high up in the sky",
        "against a blue sky", "up in the sky", "among the clouds", "with sky behind", "in mid-air", "up in the air", "against the sky",
        "with a blue sky in the background", "in the blue sky", "background blue sky", "sky background", "in front of white clouds",
    ),
    "at sunset": (
        "at sunset", "at dusk", "in the evening", "in front of a sunset", "at sundown", "as the sun goes down", "at dawn", "during sunset",
        "while the sun is setting", "with a sunset behind", "with the sunset in the background", "under an evening sky", "at sunrise",
        "in the late evening sun", "as the sun sets", "against the setting sun", "with an orange evening sky", "sunset background", "sunset",
    ),
    "on a meadow": (
        "on a meadow", "on the grass", "in a green field", "on a lawn", "in the park", "on a green hill", "outside on the grass", "in a meadow",
        "on green grass", "in the grass", "on a green meadow", "on a field", "in a grassy field", "in the countryside", "on the meadow",
        "in a park", "on a hill of grass", "on the lawn", "with grass all around", "in the green", "meadow background", "on a grassy hill",
        "in a field of grass", "in a pasture", "on the village green",
    ),
    "on the beach": (
        "on the beach", "at the seaside", "on the sand", "by the sea", "on a sunny beach", "at the sea side", "on a sandy shore", "at the beach",
        "on a beach", "on a tropical beach", "near the ocean on the sand", "on the shore", "at the coast", "on sand", "on a sandy beach",
        "with a beach behind", "with the beach in the background", "beach background", "on the seashore", "by the shore",
    ),
    "in the snow": (
        "in the snow", "in winter", "on a snowy field", "on white snow", "on a winter day", "in a snowy landscape", "in deep snow", "on snow",
        "in the middle of winter", "with snow all around", "in a winter landscape", "while it snows", "in falling snow", "during winter",
        "on a snowy day", "snow background", "with snow in the background", "on a snow-covered field", "in wintertime", "in a snowstorm",
    ),
    "under water": (
        "under water", "under the sea", "in the ocean", "deep in the sea", "underwater", "at the bottom of the ocean", "in the sea",
        "at the bottom of the sea", "below the waves", "deep under water", "in the deep blue sea", "beneath the sea", "on the sea floor",
        "in the deep ocean", "on the ocean floor", "with the ocean around", "underwater background", "on the seabed", "in the water",
    ),
    "in a room": (
        "in a room", "indoors", "inside a house", "in the living room", "on a wooden floor", "in my bedroom", "inside the house",
        "in a cosy room", "inside", "in a bedroom", "at home", "in the room", "on the floor of a room", "in a living room",
        "in the nursery", "in my room", "inside a room", "in a small room", "in the children's room", "room background", "in an empty room",
    ),
    "in the desert": (
        "in the desert", "in a desert", "on sand dunes", "in the Sahara", "in the hot desert", "among the dunes", "in a dry desert", "in the desert sand",
        "on a dune", "desert background", "with a desert behind", "with dunes in the background", "in the middle of the desert", "desert",
    ),
    "in the forest": (
        "in the forest", "in a forest", "among trees", "in the wood", "in a dark forest", "deep in the forest", "between the trees",
        "in a thick forest", "forest background", "with a forest behind", "with trees all around", "in the middle of the forest", "forest", "at the edge of the forest",
    ),
    "in the city": (
        "in the city", "in a city", "in front of skyscrapers", "downtown", "in the town", "in a big city", "in the middle of the city", "between skyscrapers",
        "city background", "with a city behind", "with skyscrapers in the background", "in the city centre", "in front of a skyline", "in town", "city",
    ),
    "in the mountains": (
        "in the mountains", "in front of mountains", "high in the mountains", "on a mountain", "in the alps", "mountain background", "with mountains behind",
        "with mountains in the background", "up in the mountains", "among the mountains", "in front of a mountain", "mountains", "between high mountains",
    ),
}  # fmt: skip
for _name, _phrases in MORE_BACKGROUND_PHRASES.items():
    BACKGROUND_PHRASES[_name] += _phrases
BACKGROUND_SENTENCES = {
    "at night": ("It is night.", "Night sky behind them.", "Make it night time.", "It's a starry night.", "It's dark outside.", "Background: night.", "The stars are out."),
    "in the sky": ("The background is blue sky.", "Background: sky.", "Only sky behind them.", "Behind them is the sky.", "Clouds and sky as background."),
    "at sunset": ("The sun is setting.", "Sunset in the background.", "The sun goes down.", "Background: sunset.", "It is evening.", "It's sunset."),
    "on a meadow": ("They are standing on grass.", "Green grass everywhere.", "Background: meadow.", "The ground is grass.", "Grass as background.", "It's a green meadow."),
    "on the beach": ("The background is a beach.", "It's at the beach.", "Background: beach.", "There is sand and sea around.", "We are at the beach."),
    "in the snow": ("It has snowed.", "Snow all around.", "Background: snow.", "It is winter.", "Everything is covered in snow.", "It's snowing."),
    "under water": ("It all happens under the sea.", "Background: underwater.", "They are under water.", "We are at the bottom of the sea."),
    "in the desert": ("They are in the desert.", "Background: desert.", "There are dunes all around.", "It's a hot desert.", "The background is a desert."),
    "in the forest": ("They are in the forest.", "Background: forest.", "There are trees all around.", "We are in the woods.", "The background is a forest."),
    "in the city": ("They are in the city.", "Background: city.", "There are skyscrapers behind them.", "We are in a big city.", "The background is a city."),
    "in the mountains": ("They are in the mountains.", "Background: mountains.", "There are mountains behind them.", "We are in the mountains.", "Mountains as background."),
    "in a room": ("They are inside.", "Background: a room.", "It's inside a house.", "We are indoors.", "It is in a room."),
}  # fmt: skip
# A background told around the objects.
BACKGROUND_CLAUSES = {
    "at night": ("The stars shine on {b}", "Night has fallen. There is {b}", "The moon is up and the sky is dark. {b}", "When it is night, {b}", "On a dark and starry night: {b}", "The sky is dark and full of stars, {b}"),
    "in the sky": ("The sky is empty except for {b}", "High up in the air there is {b}", "Nothing but sky around {b}", "A clear sky with {b}"),
    "at sunset": ("The sun is about to set. {b}", "The sun goes down behind {b}", "It is getting dark, the sun sets. {b}", "The evening sun shines on {b}", "As the day ends, {b}"),
    "on a meadow": ("The meadow is empty except for {b}", "Green grass surrounds {b}", "Around {b} there is nothing but grass", "In the grass there is {b}", "A meadow with {b}", "A lawn with {b}"),
    "on the beach": ("The beach is empty except for {b}", "On the sand there is {b}", "A beach with {b}", "A sunny beach with {b}", "The waves roll in behind {b}", "We are at the sea, {b}"),
    "in the snow": ("Snow covers everything around {b}", "It is snowing on {b}", "A snowy field with {b}", "A winter day with {b}", "Winter has come: {b}", "Deep snow around {b}"),
    "under water": ("Deep in the ocean there is {b}", "Water is all around {b}", "The sea is empty except for {b}", "An underwater scene with {b}", "Far below the waves: {b}"),
    "in a room": ("The room is empty except for {b}", "A room with {b}", "In the living room there is {b}", "Inside our house we see {b}", "A cosy room holds {b}"),
    "in the desert": ("The desert is empty except for {b}", "Nothing but sand dunes around {b}", "A hot desert with {b}", "In the desert there is {b}"),
    "in the forest": ("The forest is empty except for {b}", "Trees are all around {b}", "A forest with {b}", "A dark forest with {b}", "In the woods there is {b}", "In a forest lives {b}"),
    "in the city": ("The city is empty except for {b}", "Skyscrapers stand behind {b}", "A city with {b}", "In the city we see {b}"),
    "in the mountains": ("Mountains rise behind {b}", "A mountain landscape with {b}", "In the mountains there is {b}", "Snowy mountains behind {b}"),
}  # fmt: skip
# Backgrounds that the pocket model may not know are copied as they are said.
ELSEWHERE = (
    "in space", "in the kitchen", "on the moon", "on a street", "in the rain", "in thick fog", "in London", "in Egypt", "in New York", "in a thunderstorm",
    "in a hospital", "at a bus stop", "in the bath", "in a barn", "in an office", "at the fair", "in a shop window", "on a bridge", "in Africa", "on a table", "at Christmas", "in a garden",
    "in front of a wall", "in the jungle", "by a lake", "in a cave", "on a farm", "in a library", "at the airport", "on a white background",
    "in a swamp", "in outer space", "on mars", "in a museum", "at a party", "in a circus tent", "by a river", "in a bakery",
    "on an island", "on a stage", "in a supermarket", "at the zoo", "in a classroom", "on a black background", "in a volcano", "on the roof",
    "in autumn", "in spring", "in Paris", "in Tokyo", "in a pond", "in a harbour", "in a train station", "on a blue background", "in the bathroom",
    "under a rainbow", "in a temple", "on a battlefield", "in an old factory", "in a flower shop", "at a market", "on a rocky cliff", "in a bamboo forest",
    "in front of a waterfall", "in front of a brick wall", "in a parking lot", "on a playground", "in a haunted mansion", "in the savanna", "on a plain background",
    "on a London street", "in a Parisian café", "on a railway platform", "in a greenhouse", "on a wooden table", "in a workshop", "on a chessboard floor", "in a castle hall", "on a rooftop", "in an attic", "on a tennis court",
    "in a Japanese garden", "on a cobbled street", "in a gym", "at the dentist", "in a vineyard", "on a wheat field", "in a canyon", "on a pier", "in a ballroom", "in a laundry", "in a cornfield", "under a bridge", "on a motorway", "at a petrol station",
    *MORE_ELSEWHERE,
)  # fmt: skip
PLACES = {
    "top left": ("in the top left corner", "at the top left", "in the upper left", "top left", "in the upper left corner", "on the top left", "in the top left", "up on the left", "in the left upper corner"),
    "top": ("at the top", "on top", "up above", "in the upper middle", "at the very top", "top center", "at the top center", "in the top middle", "in the upper half", "up top", "at the upper edge", "above"),
    "top right": ("in the top right corner", "at the top right", "in the upper right", "top right", "in the upper right corner", "on the top right", "in the top right", "up on the right", "in the right upper corner"),
    "left": ("on the left", "at the left", "on the left side", "to the left", "on the left-hand side", "left", "in the left half", "on the far left", "at the left edge", "on the left of the picture"),
    "center": ("in the middle", "in the center", "in the centre", "at the center", "right in the middle", "in the very middle", "center", "centered", "in the center of the picture"),
    "right": ("on the right", "at the right", "on the right side", "to the right", "on the right-hand side", "right", "in the right half", "on the far right", "at the right edge", "on the right of the picture"),
    "bottom left": ("in the bottom left corner", "at the bottom left", "in the lower left", "bottom left", "in the lower left corner", "on the bottom left", "in the bottom left", "down on the left", "in the left lower corner"),
    "bottom": ("at the bottom", "down below", "in the lower middle", "at the very bottom", "bottom center", "at the bottom center", "in the bottom middle", "in the lower half", "at the lower edge", "below"),
    "bottom right": ("in the bottom right corner", "at the bottom right", "in the lower right", "bottom right", "in the lower right corner", "on the bottom right", "in the bottom right", "down on the right", "in the right lower corner"),
}  # fmt: skip
OPENINGS = (
    "I want", "please draw", "Draw", "can you make me a picture of", "Paint", "a picture with", "Imagine", "Show me", "I'd like to see",
    "could you draw", "make", "i need", "Create an image of", "An illustration with", "There is", "we see", "Please paint me", "how about",
    "give me", "draw me", "I would like", "let's have", "can i get", "could I have a picture of", "picture:", "image of", "a drawing of", "generate",
    "My daughter wants", "for my son's birthday card:", "hey, can you draw", "hi there! please paint", "ok so", "just", "simply", "pls draw", "a scene with",
    "a painting of", "something like", "A sticker with", "for my blog I need", "I'm looking for a picture of", "what about", "would you paint", "In the picture there is",
    "The picture shows", "design a poster with", "a cartoon of", "sketch", "I was thinking of", "let me see", "I imagine", "a photo of", "Hello, I want", "try",
    "this time", "next one:", "do", "we need an image showing", "it would be nice to have", "I love pictures with", "one picture please:", "make a wallpaper with",
    "Can I have", "Is it possible to draw", "Do you know how to draw", "Would it be possible to see", "Could there be", "May I see", "Why not paint", "for the fridge door:", "A card for my sister's wedding:",
    "I need a logo with", "my teacher wants us to draw", "for the cover of my book:", "to hang above my bed:", "I want to hang this in my office:", "Today we paint", "a mural of", "the poster should have",
    "my kid asked for", "for the kitchen wall:", "I dreamed of", "you know what? draw", "Could you please make", "produce", "an icon showing", "a postcard with",
    *MORE_OPENINGS,
)  # fmt: skip
SENTENCE_OPENINGS = (
    "Hi!", "Hello.", "Here is what I want:", "Please draw this:", "A picture for my kid.", "Scene:", "I have an idea.", "My picture:", "Okay.",
    "Draw the following.", "Let me describe it.", "This is the scene:", "For a birthday card.", "Make a picture.", "So,", "Image:", "Task:",
)  # fmt: skip
CLOSINGS = (
    ".", ".", ".", "!", " please", " please.", ", thanks", ", thank you!", ". Thanks a lot!", ". Nothing else.", " :)", ". That's all.", "?", ", please!",
    ". Can you do that?", ". It is for my daughter's room.", ". My son loves it.", ". I will print it on a shirt.", ". No people please.", ", no text", ". No frame.", ", but no clouds", " without any people",
    ". There are no other things.", ". No shadows.", " (no text)", ". Please no writing on it.", ". That would make me happy.", ". Take your time.", ". I have always wanted that.", ". Leave the rest empty.",
    ". Make it pretty.", " and nothing else", ". I want to print it.", " thx", ". It is for my grandma.", ". No text please.", "...",
    *MORE_CLOSINGS,
)  # fmt: skip
COUNTS = {
    2: ("two", "two", "two", "2", "a pair of", "a couple of", "exactly two"), 3: ("three", "three", "3", "a trio of", "exactly three"),
    4: ("four", "4", "four"), 5: ("five", "5"), 6: ("six", "6", "half a dozen"), 7: ("seven", "7"), 8: ("eight", "8"), 9: ("nine", "9"),
}  # fmt: skip
# What things do where they are; the second form is the plural's.
DOES = (
    ("stands", "stand"), ("sits", "sit"), ("waits", "wait"), ("sleeps", "sleep"), ("floats", "float"), ("rests", "rest"), ("lies", "lie"), ("hides", "hide"),
    ("dances", "dance"), ("is", "are"), ("is", "are"), ("can be seen", "can be seen"), ("plays", "play"), ("drifts", "drift"), ("hangs", "hang"), ("lives", "live"),
)  # fmt: skip
