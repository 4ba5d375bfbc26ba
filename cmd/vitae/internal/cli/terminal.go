package cli

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"golang.org/x/term"
)

// isTerminal says that a person is at the other end of a stream.
func isTerminal(stream any) bool {
	f, ok := stream.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}

// confirm asks before something is taken away. With --yes or --dry-run it does not ask;
// where nobody can be asked it refuses.
func (a *app) confirm(question string) error {
	if a.client.yes || a.client.dryRun {
		return nil
	}
	if !isTerminal(a.In) || !isTerminal(a.Err) {
		return usage("%s There is no terminal to ask at: give --yes", question)
	}
	fmt.Fprintf(a.Err, "%s [y/N] ", plain(question, false))
	answer, err := bufio.NewReader(a.In).ReadString('\n')
	if err != nil && err != io.EOF {
		return err
	}
	switch strings.ToLower(strings.TrimSpace(answer)) {
	case "y", "yes":
		return nil
	}
	return failWith(exitFailed, "not done")
}

// meter shows how far a long piece of work is: a bar on a terminal, redrawn at most ten
// times a second; elsewhere one plain line every ten seconds.
type meter struct {
	w        io.Writer
	what     string
	now      func() time.Time
	terminal bool
	width    int
	started  time.Time
	last     time.Time
	drawn    bool
}

func (a *app) meter(what string) *meter {
	m := &meter{w: a.Err, what: what, now: time.Now, terminal: isTerminal(a.Err), width: 80}
	if f, ok := a.Err.(*os.File); ok && m.terminal {
		if w, _, err := term.GetSize(int(f.Fd())); err == nil && w > 0 {
			m.width = w
		}
	}
	m.started = m.now()
	m.last = m.started
	return m
}

// show reports the progress; total 0 means that it is not known.
func (m *meter) show(done, total uint64) {
	now := m.now()
	every := 10 * time.Second
	if m.terminal {
		every = 100 * time.Millisecond
	}
	if now.Sub(m.last) < every {
		return
	}
	m.last = now
	if !m.terminal {
		fmt.Fprintln(m.w, m.text(now, done, total))
		return
	}
	m.drawn = true
	line := m.text(now, done, total)
	if bar := m.width - len(line) - 4; total > 0 && bar >= 10 {
		bar = min(bar, 40)
		full := int(uint64(bar) * min(done, total) / total)
		line += " [" + strings.Repeat("=", full) + strings.Repeat(" ", bar-full) + "]"
	}
	if len(line) >= m.width {
		line = line[:m.width-1]
	}
	fmt.Fprintf(m.w, "\r%-*s", m.width-1, line)
}

func (m *meter) text(now time.Time, done, total uint64) string {
	spent := now.Sub(m.started)
	if total == 0 {
		return fmt.Sprintf("%s: %d, %s", m.what, done, spent.Round(time.Second))
	}
	line := fmt.Sprintf("%s: %d of %d (%d %%)", m.what, done, total, 100*min(done, total)/total)
	if done > 0 && done < total {
		left := time.Duration(float64(spent) * float64(total-done) / float64(done))
		line += fmt.Sprintf(", %s left", left.Round(time.Second))
	}
	return line
}

// end takes the bar away.
func (m *meter) end() {
	if m.drawn {
		fmt.Fprintf(m.w, "\r%-*s\r", m.width-1, "")
	}
}
