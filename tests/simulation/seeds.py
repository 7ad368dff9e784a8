"""Seeds that once found something: tried first, for ever, whatever they tell today.

The stories that seeds tell change when the simulator does; so beside each is what it found.
"""

FOUND = {
    51: "killed before the next reading, the step of the clock was on no disk",
    176: "answers to what an earlier life had sent made a thin line look quick",
    925: "a step of the clock can be given up too, where the tail is too short",
    1041: "a cloud that was set back was noticed ten minutes later",
}
