package fault

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"syscall"
	"testing"
	"time"

	"vitae/test/harness"
)

// half begins an edit and stops in the middle of its body, once the server is reading it.
// end sends the rest and gives the answer.
func half(t *testing.T, s *harness.Server, profile, city string) (end func() *http.Response) {
	t.Helper()
	conn, err := net.Dial("tcp", s.Addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		// The server may have closed it already.
		_ = conn.Close()
	})
	if err := conn.SetDeadline(time.Now().Add(harness.Patience)); err != nil {
		t.Fatal(err)
	}
	body := fmt.Sprintf(`{"city":%q}`, city)
	head := fmt.Sprintf("PATCH %s HTTP/1.1\r\nHost: %s\r\nAuthorization: Bearer %s\r\nContent-Type: application/json\r\nContent-Length: %d\r\nExpect: 100-continue\r\n\r\n",
		harness.Profile(profile), s.Addr, s.AdminKey(), len(body))
	if _, err := io.WriteString(conn, head); err != nil {
		t.Fatal(err)
	}
	r := bufio.NewReader(conn)
	line, err := r.ReadString('\n')
	if err != nil || !strings.Contains(line, "100 Continue") {
		t.Fatalf("the server does not ask for the body: %q, %v", line, err)
	}
	if _, err := r.ReadString('\n'); err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(conn, body[:5]); err != nil {
		t.Fatal(err)
	}
	return func() *http.Response {
		t.Helper()
		if _, err := io.WriteString(conn, body[5:]); err != nil {
			t.Fatal(err)
		}
		res, err := http.ReadResponse(r, nil)
		if err != nil {
			t.Fatalf("the request in flight got no answer: %v\n%s", err, s.Tail())
		}
		if err := res.Body.Close(); err != nil {
			t.Error(err)
		}
		return res
	}
}

// refusing waits until the server takes no new connections.
func refusing(t *testing.T, s *harness.Server) {
	t.Helper()
	for end := time.Now().Add(harness.Patience); time.Now().Before(end); {
		conn, err := net.DialTimeout("tcp", s.Addr, time.Second)
		if err != nil {
			return
		}
		if err := conn.Close(); err != nil {
			t.Fatal(err)
		}
		select {
		case <-s.Done():
			return
		case <-time.After(10 * time.Millisecond): // another process: there is nothing else to wait for
		}
	}
	t.Fatal("the server goes on taking connections")
}

// TestDrain: the first SIGTERM (or Ctrl-C) lets the server answer what it has in hand, and it ends with 0.
func TestDrain(t *testing.T) {
	s := harness.Start(t, harness.Options{})
	id := s.Admin().Create(nil)
	for i, sig := range []syscall.Signal{syscall.SIGTERM, syscall.SIGINT} {
		city := fmt.Sprintf("in flight %d", i)
		end := half(t, s, id, city)
		s.Signal(sig)
		refusing(t, s)
		select {
		case <-s.Done():
			t.Fatalf("%v: the server ended with a request in flight\n%s", sig, s.Tail())
		default:
		}
		if res := end(); res.StatusCode != 200 {
			t.Fatalf("%v: the request in flight was answered with %s", sig, res.Status)
		}
		if code := s.Wait(); code != 0 {
			t.Fatalf("%v: exit code %d\n%s", sig, code, s.Tail())
		}
		s.Restart()
		if got := s.Admin().Read(id, "")["city"]; got != city {
			t.Errorf("%v: the edit in flight was answered, and the city is %v", sig, got)
		}
	}
}

// TestCut: the second signal ends the server at once, with 130, and nothing that was answered is lost.
func TestCut(t *testing.T) {
	s := harness.Start(t, harness.Options{})
	admin := s.Admin()
	id := admin.Create(map[string]any{"city": "before"})
	admin.Must(200, http.MethodPatch, harness.Profile(id), map[string]any{"city": "answered"})
	half(t, s, id, "never")
	s.Signal(syscall.SIGTERM)
	refusing(t, s)
	began := time.Now()
	s.Signal(syscall.SIGTERM)
	if code := s.Wait(); code != 130 || time.Since(began) > 5*time.Second {
		t.Fatalf("exit code %d after %v\n%s", code, time.Since(began), s.Tail())
	}
	s.Restart()
	if got := s.Admin().Read(id, "")["city"]; got != "answered" {
		t.Errorf("the city is %v", got)
	}
}

// TestFolderInUse: a second server on the same data is refused, and the first goes on.
func TestFolderInUse(t *testing.T) {
	s := harness.Start(t, harness.Options{})
	id := s.Admin().Create(nil)
	second := harness.New(t, harness.Options{Data: s.Data})
	if second.TryLaunch() {
		t.Fatal("the second server listens")
	}
	if code := second.Wait(); code != 7 || !strings.Contains(second.Logs.String(), "in use") {
		t.Errorf("exit code %d, want 7 and a message\n%s", code, second.Tail())
	}
	if r := harness.Command(t, nil, "", "fsck", "--data", s.Data); r.Code != 7 || !strings.Contains(r.Err, "in use") {
		t.Errorf("fsck of a folder in use: %v; want exit code 7 and a message", r)
	}
	s.Admin().Must(200, http.MethodPatch, harness.Profile(id), map[string]any{"city": "still here"})
	// An address in use is said as well.
	third := harness.New(t, harness.Options{})
	third.Addr = s.Addr
	if third.TryLaunch() || third.Wait() == 0 || !strings.Contains(third.Logs.String(), "address already in use") {
		t.Errorf("a second server on one address: exit code %d\n%s", third.Wait(), third.Tail())
	}
	s.Stop()
	// The folder is free at once.
	s.Restart()
	s.Stop()
}
