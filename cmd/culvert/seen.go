package main

import (
	"encoding/json"
	"fmt"
	"strings"
)

// hidden is how settings show a secret that is set.
const hidden = "***"

// seenSecrets warns of each KEY=VALUE of a command line that turned out to be a secret: other users of the machine can
// read command lines. settings are the configuration's as they are shown afterwards.
func seenSecrets(settings json.RawMessage, assignments []string) []string {
	var warnings []string
	for _, s := range assignments {
		key, value, _ := strings.Cut(s, "=")
		if value != hidden && shownAt(settings, key) == hidden {
			warnings = append(warnings, fmt.Sprintf("%s is a secret and stood on the command line, where others can read it; give it with --secret-stdin %s", key, key))
		}
	}
	return warnings
}

// shownAt is the text at a dotted key, "" where there is no text.
func shownAt(doc json.RawMessage, key string) string {
	for step := range strings.SplitSeq(key, ".") {
		var group map[string]json.RawMessage
		if json.Unmarshal(doc, &group) != nil {
			return ""
		}
		doc = group[step]
	}
	var text string
	if json.Unmarshal(doc, &text) != nil {
		return ""
	}
	return text
}
