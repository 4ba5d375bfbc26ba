package engine

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
)

// dirLock holds a data folder. The lock is the kernel's (flock), so it ends with the
// process; the process id in the file is for the message only, and the file stays,
// because removing it would let two processes lock two files of the same name.
type dirLock struct{ f *os.File }

func lockDir(dir string) (*dirLock, error) {
	f, err := os.OpenFile(filepath.Join(dir, "lock"), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("engine: %w", err)
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		holder := readHolder(f)
		err = errors.Join(err, f.Close())
		if errors.Is(err, syscall.EWOULDBLOCK) {
			return nil, fmt.Errorf("engine: %s: %w by %s", dir, ErrLocked, holder)
		}
		return nil, fmt.Errorf("engine: locking %s: %w", dir, err)
	}
	l := &dirLock{f: f}
	if err := l.write(strconv.Itoa(os.Getpid()) + "\n"); err != nil {
		return nil, errors.Join(fmt.Errorf("engine: %w", err), f.Close())
	}
	return l, nil
}

func readHolder(f *os.File) string {
	b, err := io.ReadAll(io.LimitReader(f, 32))
	if pid, convErr := strconv.Atoi(strings.TrimSpace(string(b))); err == nil && convErr == nil {
		return "process " + strconv.Itoa(pid)
	}
	return "another process"
}

func (l *dirLock) write(s string) error {
	if err := l.f.Truncate(0); err != nil {
		return err
	}
	_, err := l.f.WriteAt([]byte(s), 0)
	return err
}

// unlock gives the folder free. It may be called once.
func (l *dirLock) unlock() error {
	if err := errors.Join(l.write(""), l.f.Close()); err != nil {
		return fmt.Errorf("engine: unlocking: %w", err)
	}
	return nil
}
