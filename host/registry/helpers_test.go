package registry_test

import (
	"encoding/json"
	"reflect"
	"slices"

	"github.com/culvert-pbx/culvert/sdk/tunnel"
)

func sameView(a, b tunnel.View) bool {
	return sameTunnel(a.Tunnel, b.Tunnel) && reflect.DeepEqual(a.Status, b.Status)
}

func sameTunnel(a, b tunnel.Tunnel) bool {
	if !slices.Equal(a.Mappings, b.Mappings) || !slices.Equal(a.AcceptWider, b.AcceptWider) {
		return false
	}
	a.Mappings, b.Mappings, a.AcceptWider, b.AcceptWider = nil, nil, nil, nil
	return reflect.DeepEqual(a, b)
}

func jsonEqual(a, b string) bool {
	var x, y any
	return json.Unmarshal([]byte(a), &x) == nil && json.Unmarshal([]byte(b), &y) == nil && reflect.DeepEqual(x, y)
}
