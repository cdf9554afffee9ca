package sdk_test

import (
	"bufio"
	"context"
	"fmt"
	"net"

	"github.com/culvert-pbx/culvert/sdk"
	"github.com/culvert-pbx/culvert/sdk/sdktest"
)

// lookup is a module that tells the PBX on this machine who calls.
type lookup struct{}

// What the PBX has, and what it expects, on 127.0.0.1. The operator grants both: culvert module grant lookup "dial 5038"
const (
	managerPort = 5038 // the PBX's manager answers here
	agiPort     = 4573 // the PBX asks here
)

func (lookup) Describe() sdk.Description {
	return sdk.Description{Name: "lookup", Version: "1.0.0", Grants: []sdk.Grant{sdk.GrantDial(managerPort), sdk.GrantServe(agiPort)}}
}

func (lookup) Run(ctx context.Context, in *sdk.Instance[struct{}]) error {
	l, err := in.ListenLocal(agiPort) // until Run returns
	if err != nil {
		return err
	}
	defer context.AfterFunc(ctx, func() { _ = l.Close() })()
	for {
		c, err := l.Accept()
		if err != nil {
			return err
		}
		if err := answer(ctx, in, c); err != nil {
			in.Log.Warn("a call was not looked up", "error", err)
		}
	}
}

// answer asks the manager about the call that c tells of.
func answer(ctx context.Context, in *sdk.Instance[struct{}], c net.Conn) error {
	defer c.Close()
	number, err := bufio.NewReader(c).ReadString('\n')
	if err != nil {
		return err
	}
	manager, err := in.DialLocal(ctx, managerPort)
	if err != nil {
		return err
	}
	defer manager.Close()
	if _, err := fmt.Fprint(manager, "who is ", number); err != nil {
		return err
	}
	name, err := bufio.NewReader(manager).ReadString('\n')
	if err != nil {
		return err
	}
	_, err = fmt.Fprint(c, name)
	return err
}

// A module works with services of its own machine through the host, once the operator has granted the ports: its sandbox
// has no network.
func ExampleInstance_DialLocal() {
	w, end := run(lookup{}, `{}`, sdktest.Grant("dial 5038", "serve 4573"))
	defer end()
	w.ServeLocal(managerPort, func(c net.Conn) {
		var number string
		if _, err := fmt.Fscanf(c, "who is %s\n", &number); err == nil {
			fmt.Fprintln(c, "Jo Doe at", number)
		}
	})
	pbx, err := w.ConnectLocal(agiPort)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer pbx.Close()
	fmt.Fprintln(pbx, "4711")
	name, err := bufio.NewReader(pbx).ReadString('\n')
	fmt.Print(name)
	if err != nil {
		fmt.Println(err)
	}
	// Output:
	// Jo Doe at 4711
}
