package evidence

import (
	"regexp"
	"testing"

	"github.com/dop251/goja"

	"vitae/ledger/proof"
)

// engine runs the verifier that stands in the page.
type engine struct {
	vm     *goja.Runtime
	verify goja.Callable
}

var scripts = regexp.MustCompile(`(?s)<script>(.*?)</script>`)

func newEngine(t testing.TB) *engine {
	t.Helper()
	found := scripts.FindAllSubmatch(proof.EvidencePage(nil), -1)
	if len(found) != 2 {
		t.Fatalf("the page has %d scripts", len(found))
	}
	vm := goja.New()
	if _, err := vm.RunScript("verify.js", string(found[0][1])); err != nil {
		t.Fatal(err)
	}
	f, err := vm.RunString(`(buffer, key) => vitaeEvidence.verify(new Uint8Array(buffer), key).faults.map((f) => [f.seq === null ? -1 : f.seq, f.index === null ? -1 : f.index, f.code])`)
	if err != nil {
		t.Fatal(err)
	}
	verify, ok := goja.AssertFunction(f)
	if !ok {
		t.Fatal("no function")
	}
	return &engine{vm, verify}
}

func (e *engine) faults(t testing.TB, bundle []byte, key string) []Fault {
	t.Helper()
	v, err := e.verify(goja.Undefined(), e.vm.ToValue(e.vm.NewArrayBuffer(append([]byte(nil), bundle...))), e.vm.ToValue(key))
	if err != nil {
		t.Fatalf("the page's verifier: %v", err)
	}
	var rows [][]any
	if err := e.vm.ExportTo(v, &rows); err != nil {
		t.Fatal(err)
	}
	var out []Fault
	for _, row := range rows {
		out = append(out, Fault{row[0].(int64), row[1].(int64), row[2].(string)})
	}
	return out
}
