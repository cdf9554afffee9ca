package main

import "fmt"

// say prints a sentence of the story.
func say(format string, args ...any) { fmt.Printf("\n"+format+"\n", args...) }

// detail prints what belongs to the last sentence.
func detail(format string, args ...any) { fmt.Printf("    "+format+"\n", args...) }

// command prints a command as a person would type it.
func command(line string) { detail("$ %s", line) }
