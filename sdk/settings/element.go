package settings

import (
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/culvert-pbx/culvert/sdk/tunnel"
)

// element splits KEY[N], the value at place N of a list, and KEY[], a new one at its end.
func element(key string) (list, place string, ok bool) {
	rest, closed := strings.CutSuffix(key, "]")
	if !closed {
		return key, "", false
	}
	i := strings.LastIndexByte(rest, '[')
	if i < 0 {
		return key, "", false
	}
	return rest[:i], rest[i+1:], true
}

// editElement changes one value of the list at key: edit gets what the list has now, which is its default where nothing
// is set, and the place, which is at most the list's length.
func editElement(schema, doc json.RawMessage, key, place string, edit func(n *node, list []any, at int) ([]any, tunnel.Findings)) (json.RawMessage, tunnel.Findings) {
	n, d, fs := open(schema, doc, key)
	if len(fs) > 0 {
		return nil, fs
	}
	full := key + "[" + tunnel.Clean(place, maxKey) + "]"
	if n.Type != "array" {
		return nil, tunnel.Findings{finding(tunnel.Malformed, full, place, key+" is no list", "leave out the brackets")}
	}
	v, set := lookup(d, split(key))
	if !set && n.Default != nil {
		if plain, fs := read(json.RawMessage(`{"v":` + string(n.Default) + `}`)); len(fs) == 0 {
			v = plain["v"]
		}
	}
	list, _ := v.([]any)
	at := len(list)
	if place != "" {
		p, err := strconv.Atoi(place)
		if err != nil || p < 0 || p > len(list) || place != strconv.Itoa(p) {
			return nil, tunnel.Findings{finding(tunnel.OutOfRange, full, place, fmt.Sprintf("%s has no such place: it has %d values", key, len(list)),
				fmt.Sprintf("places begin with 0; %s[] is behind the last one", key))}
		}
		at = p
	}
	list, fs = edit(n, slices.Clone(list), at)
	if len(fs) > 0 {
		return nil, fs
	}
	if !put(d, split(key), list) {
		return nil, inTheWay(key)
	}
	return encode(d), nil
}

func setElement(schema, doc json.RawMessage, key, place, value string) (json.RawMessage, tunnel.Findings) {
	return editElement(schema, doc, key, place, func(n *node, list []any, at int) ([]any, tunnel.Findings) {
		v, fs := n.Items.value(fmt.Sprintf("%s[%d]", key, at), value)
		if at == len(list) {
			return append(list, v), fs
		}
		list[at] = v
		return list, fs
	})
}

func unsetElement(schema, doc json.RawMessage, key, place string) (json.RawMessage, tunnel.Findings) {
	return editElement(schema, doc, key, place, func(_ *node, list []any, at int) ([]any, tunnel.Findings) {
		if at == len(list) {
			return nil, tunnel.Findings{finding(tunnel.NotFound, key+"["+place+"]", "", "nothing is set there", "culvert config show says what is")}
		}
		return slices.Delete(list, at, at+1), nil
	})
}

func inTheWay(key string) tunnel.Findings {
	return tunnel.Findings{finding(tunnel.Malformed, key, "", "something else than a group stands on the way to "+key, "unset that first")}
}
