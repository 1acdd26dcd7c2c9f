"""What leaves a record before it is stored: personal data in texts; and whose data a record is."""

from monitor.privacy.options import PrivacyOptions
from monitor.privacy.redactor import Redactor
from monitor.privacy.subject import Subjects
from monitor.privacy.texts import holds_marker

__all__ = ["PrivacyOptions", "Redactor", "Subjects", "holds_marker"]
