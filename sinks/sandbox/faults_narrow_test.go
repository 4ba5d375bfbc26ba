package sandbox

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
)

func TestFaultsOfAMethodAndAPath(t *testing.T) {
	g := start(t, Options{})
	g.fault(`"kind":"status","status":500,"method":"POST"`)
	g.fault(`"kind":"status","status":502,"path":"/v1/skills"`)
	g.fault(`"kind":"status","status":503,"path":"/v1/skills/","method":"DELETE"`)
	got := []int{}
	for _, c := range [][2]string{
		{"GET", "/profile"}, {"GET", "/experiences"}, // meet none
		{"GET", "/skills"},      // meets the path
		{"GET", "/skills"},      // which is used up
		{"POST", "/education"},  // meets the method
		{"POST", "/education"},  // which is used up
		{"GET", "/skills/x"},    // meets none
		{"DELETE", "/skills/x"}, // meets both
		{"DELETE", "/skills/x"},
	} {
		got = append(got, g.call(1, c[0], c[1], `{"school":"s"}`).status)
	}
	if want := []int{200, 200, 502, 200, 500, 201, 404, 503, 404}; !slices.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
}

func TestFaultsAreUsedInOrder(t *testing.T) {
	g := start(t, Options{})
	g.fault(`"kind":"status","status":500,"path":"/v1/skills","times":2`)
	g.fault(`"kind":"status","status":503`)
	got := []int{}
	for _, path := range []string{"/skills", "/profile", "/skills", "/skills"} {
		got = append(got, g.call(1, "GET", path, "").status)
	}
	if want := []int{500, 503, 500, 200}; !slices.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
}

// Trap: a 500 does not say that nothing happened.
func TestStatusAfterTheEffect(t *testing.T) {
	g := start(t, Options{})
	g.fault(`"kind":"status","status":500,"after":true,"method":"POST","retryAfter":3`)
	if a := g.call(1, "POST", "/skills", `{"name":"n"}`); a.status != 500 || a.header.Get("Retry-After") != "3" || a.body != `{"error":"Internal Server Error"}`+"\n" {
		t.Errorf("%d %v %s", a.status, a.header, a.body)
	}
	if a := g.account(1); a.Creates != 1 || g.page(1, "skills", "").Total != 1 {
		t.Errorf("no effect: %+v", a)
	}
	if r := g.requests()[0]; r.Status != 500 || !r.Changed || r.Fault != "status" {
		t.Errorf("%+v", r)
	}
	g.fault(`"kind":"status","status":500,"after":true,"method":"POST"`)
	if a := g.call(1, "POST", "/skills", `{}`); a.status != 500 {
		t.Errorf("a wrong request: %d", a.status)
	}
	if r := g.requests(); r[len(r)-1].Changed || g.account(1).Creates != 1 {
		t.Errorf("a wrong request has an effect: %+v", r)
	}
}

// Trap: an answer that is cut off in its body has had its effect.
func TestResetInTheMiddleOfTheBody(t *testing.T) {
	g := start(t, Options{})
	whole := g.get(1).body
	g.fault(`"kind":"reset_mid","method":"GET"`)
	a, err := g.try("GET", "/mokaru/v1/profile", "", "Authorization", "Bearer "+key(1))
	if !errors.Is(err, io.ErrUnexpectedEOF) || a.status != 200 || len(a.body) != len(whole)/2 || !strings.HasPrefix(a.header.Get("Content-Type"), "application/json") {
		t.Errorf("%d %v: %d of %d bytes, %v", a.status, a.header, len(a.body), len(whole), err)
	}
	g.fault(`"kind":"reset_mid","method":"POST"`)
	a, err = g.try("POST", "/mokaru/v1/skills", `{"name":"n"}`, "Authorization", "Bearer "+key(1), "Content-Type", "application/json")
	if !errors.Is(err, io.ErrUnexpectedEOF) || a.status != 201 {
		t.Errorf("%d %v", a.status, err)
	}
	if r := g.requests(); r[2].Status != 201 || !r[2].Changed || r[2].Fault != "reset_mid" || g.page(1, "skills", "").Total != 1 {
		t.Errorf("%+v", r)
	}
}

func TestResetInTheMiddleOfAnAnswerWithoutABody(t *testing.T) {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { sendHalf(w, reply{status: 201}) }))
	defer srv.Close()
	conn, err := net.Dial("tcp", srv.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	if _, err := fmt.Fprint(conn, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	got, err := io.ReadAll(bufio.NewReader(conn))
	if err != nil || !strings.HasPrefix(string(got), "HTTP/1.1 201 Created\r\n") || strings.Contains(string(got), "\r\n\r\n") {
		t.Errorf("%q, %v", got, err)
	}
}
