package registry_test

import (
	"reflect"

	"github.com/culvert-pbx/culvert/sdk/tunnel"
)

func sameView(a, b tunnel.View) bool { return reflect.DeepEqual(a, b) }
