from edge_agent.transports.base import PortGone, Transport
from edge_agent.transports.serial_port import Line, SerialPort


def test_a_serial_port_keeps_the_promise_of_a_transport() -> None:
    line = Line(baud=9600, data_bits=8, parity="none", stop_bits=1)
    transport: Transport = SerialPort("/dev/nowhere", line)
    transport.close()  # closing what is closed is fine
    assert (transport.name, transport.is_open) == ("/dev/nowhere", False)


def test_a_port_that_is_gone_says_so_in_words() -> None:
    assert str(PortGone("/dev/x is gone")) == "/dev/x is gone"
